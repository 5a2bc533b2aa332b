"""Drivers that cannot look at the world."""

from __future__ import annotations

import pytest
from engine.world import CATALOGUE, World

from reconciler.engine.planning import observe
from reconciler.model.diagnostics import Invalid
from reconciler.model.record import Record, RecordedState, Status

RECORDED = RecordedState("line", 1, {"one/a": Record("one/a", "One", "running", Status.OK, "f", b"{}")})


@pytest.mark.parametrize(("error", "words"), [(OSError("no way"), "no way"), (KeyError("x"), "It has a bug: KeyError")])
def test_a_driver_that_cannot_look_is_told_not_thrown(error: Exception, words: str) -> None:
    world = World()

    def fail(*_: object) -> None:
        raise error

    world.drivers["single"].observe = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(Invalid) as raised:
        observe(RECORDED, CATALOGUE, world.driver_for)
    (finding,) = raised.value.diagnostics
    assert finding.code == "observe-failed"
    assert words in finding.detail
