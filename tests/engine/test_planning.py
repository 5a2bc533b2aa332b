"""Drivers that cannot look at the world, or take for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from engine.world import CATALOGUE, World

from reconciler.engine import planning
from reconciler.engine.planning import look, observe
from reconciler.model.diagnostics import Invalid
from reconciler.model.record import Observation, Record, RecordedState, Status


def record(address: str) -> Record:
    return Record(address, address.partition("/")[0].capitalize(), "running", Status.OK, "f", b"{}")


Observe = Callable[[Sequence[Record]], Sequence[Observation]]
RECORDED = RecordedState("line", 1, {address: record(address) for address in ("one/a", "many/b", "many/c")})


def wait(until: Callable[[], object]) -> Observe:
    def observe(records: Sequence[Record]) -> Sequence[Observation]:
        until()
        return ()

    return observe


def fail(error: Exception) -> Observe:
    def observe(records: Sequence[Record]) -> Sequence[Observation]:
        raise error

    return observe


@pytest.mark.parametrize(("error", "words"), [(OSError("no way"), "no way"), (KeyError("x"), "It has a bug: KeyError")])
def test_a_driver_that_cannot_look_is_told_not_thrown(error: Exception, words: str) -> None:
    world = World()
    world.drivers["single"].observe = fail(error)  # type: ignore[method-assign, assignment]
    with pytest.raises(Invalid) as raised:
        observe(RECORDED.records, CATALOGUE, world.driver_for)
    (finding,) = raised.value.diagnostics
    assert finding.code == "observe-failed"
    assert words in finding.detail


def test_all_that_cannot_look_are_told_and_the_others_see() -> None:
    world = World()
    world.drivers["single"].observe = fail(OSError("dark"))  # type: ignore[method-assign, assignment]
    seen, problems = look(RECORDED.records, CATALOGUE, world.driver_for)
    assert [(each.address, each.state) for each in seen] == [("many/b", "absent"), ("many/c", "absent")]
    assert [problem.summary for problem in problems] == ["The single driver cannot see what is there"]
    world.blind = "fog"
    assert len(look(RECORDED.records, CATALOGUE, world.driver_for).problems) == 2
    world.drivers = {}
    assert [p.code for p in look(RECORDED.records, CATALOGUE, world.driver_for).problems] == [
        "driver-unknown",
        "driver-unknown",
    ]


def test_a_driver_that_never_answers_does_not_hang_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "OBSERVE_LIMIT", 0.05)
    world, over = World(), threading.Event()
    world.drivers["bulk"].observe = wait(over.wait)  # type: ignore[method-assign, assignment]
    try:
        seen, problems = look(RECORDED.records, CATALOGUE, world.driver_for)
    finally:
        over.set()
    assert [each.address for each in seen] == ["one/a"]
    assert [problem.detail for problem in problems] == ["It did not answer within 0.05 seconds."]


def test_drivers_look_at_the_same_time() -> None:
    world, both = World(), threading.Barrier(2)
    for driver in world.drivers.values():
        driver.observe = wait(lambda: both.wait(10))  # type: ignore[method-assign, assignment]
    assert look(RECORDED.records, CATALOGUE, world.driver_for).problems == ()
