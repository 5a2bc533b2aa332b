"""Recovery: what a run that died left open is finished or taken back, by what is there."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from engine.memory import Death, MemoryStore
from engine.world import CATALOGUE, Clock, Thing, World, desired, resource

from reconciler.engine.apply import apply_plan
from reconciler.engine.executor import Control
from reconciler.engine.planning import observe
from reconciler.engine.recovery import Recovered, Verdict, describe, recover
from reconciler.model import settings
from reconciler.model.diagnostics import Invalid, Severity
from reconciler.model.history import Intent, LockInfo, Run
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.plan import Options, Plan
from reconciler.model.record import Status
from reconciler.model.resource import DesiredState
from reconciler.planner.build import build
from reconciler.ports import Locked, Locking

LOCKING = Locking(LockInfo("lock", "recover", "me@here", 1), 0.0)
AFTER_INTEND, BEFORE_SETTLE = 4, 5
"""Boundaries of a run: begin has two, then each intend and each settle."""


class Bench:
    """A state and a world, and runs on them that may die."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.world = World()
        self.number = 0

    def run(self, operation: str) -> Run:
        self.number += 1
        return Run(f"run-{self.number}", operation, "me@here", "c0ffee", "tree")

    def plan(self, wanted: DesiredState) -> Plan:
        recorded = self.store.load()
        seen = observe(recorded.records, CATALOGUE, self.world.driver_for)
        guards = settings.Guards(10**6, 100)
        made, _ = build(wanted, recorded, seen, CATALOGUE, Options(), guards, "2026-01-01T00:00:00Z")
        assert made
        return made

    def apply(self, made: Plan, dies_at: int = 0, unsettled: frozenset[str] = frozenset()) -> None:
        self.store.dies_at = dies_at
        control = Control(2, lambda: False, unsettled)
        run = self.run("apply")
        with suppress(Death):
            apply_plan(made, run, self.store, LOCKING, self.world.driver_for, Clock(), lambda _: None, control)
        self.store.revive()

    def recover(self, locking: Locking = LOCKING) -> tuple[Recovered, ...]:
        return recover(self.store, locking, CATALOGUE, self.world.driver_for, self.run("recover"))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_nothing_pending_costs_one_query_and_writes_nothing(bench: Bench) -> None:
    assert bench.recover() == ()
    assert (bench.store.serial, bench.store.runs_) == (0, [])


def test_what_was_done_is_finished(bench: Bench) -> None:
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=BEFORE_SETTLE)
    assert bench.world.things == {"one/a": Thing("registered", 1)}
    (found,) = bench.recover()
    assert (found.verdict, found.intent.verb, found.run) == (Verdict.FINISHED, "register", "run-1")
    record = bench.store.records["one/a"]
    assert (record.state, record.status, record.fingerprint, record.failures) == ("registered", Status.OK, "print-1", 0)
    assert [(e.verb, e.text) for e in bench.store.events("one/a")] == [("recovered", "")]
    assert [past.outcome for past in bench.store.runs_] == ["died", "ok"]
    bench.apply(bench.plan(desired(resource("one/a"))))
    assert [t.verb for t in bench.world.done] == ["register", "start"]


def test_what_was_not_done_is_taken_back_and_tried_again(bench: Bench) -> None:
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=AFTER_INTEND)
    (found,) = bench.recover()
    assert found.verdict is Verdict.TAKEN_BACK
    record = bench.store.records["one/a"]
    assert (record.kind, record.state, record.status, record.failures) == ("One", ABSENT, Status.FAILED, 1)
    assert record.error == "the run run-1 died while it carried out register; what is there does not match"
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=AFTER_INTEND)
    assert bench.store.intents["one/a"].attempt == 2
    bench.recover()
    bench.apply(bench.plan(desired(resource("one/a"))))
    assert [t.verb for t in bench.world.done] == ["register", "start"]
    assert bench.store.records["one/a"].failures == 0


def _dies(bench: Bench, value: int = 1) -> Intent:
    """The intent of an apply that dies in its first verb."""
    bench.apply(bench.plan(desired(resource("one/a", value=value))), dies_at=AFTER_INTEND)
    return bench.store.intents["one/a"]


def test_what_recovery_took_back_is_carried_out_under_the_key_of_its_intent(bench: Bench) -> None:
    first = _dies(bench)
    bench.recover()
    second = _dies(bench)
    bench.recover()
    bench.apply(bench.plan(desired(resource("one/a"))))
    assert (second.key, second.attempt) == (first.key, 2)
    register, start = bench.world.done
    assert (register.verb, register.key) == ("register", first.key)
    assert start.key.startswith("run-5/")


def test_what_stays_open_is_carried_out_under_the_key_of_its_intent(bench: Bench) -> None:
    first = _dies(bench)
    bench.apply(bench.plan(desired(resource("one/a"))), unsettled=frozenset([first.key]))
    assert bench.world.done[0].key == first.key


def test_another_operation_has_another_key(bench: Bench) -> None:
    keys = {_dies(bench).key}
    bench.recover()
    keys.add(_dies(bench, value=2).key)
    assert len(keys) == 2


def test_what_was_answered_for_has_another_key_when_it_is_tried_again(bench: Bench) -> None:
    keys: list[str] = []

    def fails(transition: Transition) -> str:
        keys.append(transition.key)
        return "no space"

    first = _dies(bench)
    bench.recover()
    bench.world.before = fails
    bench.apply(bench.plan(desired(resource("one/a"))))
    bench.apply(bench.plan(desired(resource("one/a"))))
    assert keys[0] == first.key
    assert keys[1] != first.key


def test_what_was_done_is_another_operation_the_next_time(bench: Bench) -> None:
    first = _dies(bench)
    bench.recover()
    for wanted in (desired(resource("one/a")), desired(), desired(resource("one/a"))):
        bench.apply(bench.plan(wanted))
    keys = [transition.key for transition in bench.world.done if transition.verb == "register"]
    assert keys[0] == first.key
    assert keys[1] != first.key


def test_half_an_effect_is_taken_back(bench: Bench) -> None:
    bench.world.halves = lambda _: True
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=BEFORE_SETTLE)
    assert [one.verdict for one in bench.recover()] == [Verdict.TAKEN_BACK]
    bench.world.halves = lambda _: False
    bench.apply(bench.plan(desired(resource("one/a"))))
    assert bench.world.things == {"one/a": Thing("running", 1)}
    assert not bench.plan(desired(resource("one/a"))).applyable


@pytest.mark.parametrize(("boundary", "gone"), [(BEFORE_SETTLE, True), (AFTER_INTEND, False)])
def test_a_removal_is_finished_only_when_the_thing_is_gone(bench: Bench, boundary: int, gone: bool) -> None:
    bench.apply(bench.plan(desired(resource("one/a", "registered"))))
    bench.apply(bench.plan(desired()), dies_at=boundary)
    (found,) = bench.recover()
    assert found.verdict is (Verdict.FINISHED if gone else Verdict.TAKEN_BACK)
    assert ("one/a" in bench.store.records) is not gone
    bench.apply(bench.plan(desired()))
    assert (bench.store.records, bench.world.things) == ({}, {})


def test_clearing_what_never_was_there_is_done_again(bench: Bench) -> None:
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=AFTER_INTEND)
    bench.recover()
    bench.apply(bench.plan(desired()), dies_at=BEFORE_SETTLE)
    assert [one.verdict for one in bench.recover()] == [Verdict.TAKEN_BACK]
    bench.apply(bench.plan(desired()))
    assert bench.store.records == {}


def test_a_failed_update_keeps_the_record_from_before(bench: Bench) -> None:
    bench.apply(bench.plan(desired(resource("one/a"))))
    bench.apply(bench.plan(desired(resource("one/a", value=2))), dies_at=AFTER_INTEND)
    bench.recover()
    record = bench.store.records["one/a"]
    assert (record.fingerprint, record.state, record.status) == ("print-1", "running", Status.FAILED)


def test_a_driver_that_cannot_look_leaves_it_open(bench: Bench) -> None:
    wanted = desired(resource("one/a"), resource("one/b"))
    bench.apply(bench.plan(wanted), dies_at=BEFORE_SETTLE)
    made = bench.plan(wanted)
    bench.world.blind = "no route to host"
    found = bench.recover()
    assert {one.verdict for one in found} == {Verdict.OPEN}
    assert len(bench.store.pending()) == 2
    (told,) = describe(found)
    assert "no route to host" in told.detail
    with pytest.raises(Invalid, match="stale"):
        bench.apply(made)
    bench.apply(made, unsettled=frozenset(one.intent.key for one in found))
    assert not bench.store.pending()


def test_a_kind_without_schema_is_taken_back(bench: Bench) -> None:
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=BEFORE_SETTLE)
    intent = bench.store.intents["one/a"]
    assert intent.after
    bench.store.intents["one/a"] = intent._replace(after=intent.after._replace(kind="Lost"))
    assert [one.verdict for one in bench.recover()] == [Verdict.TAKEN_BACK]


def test_without_a_lock_it_only_tells(bench: Bench) -> None:
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=BEFORE_SETTLE)
    found = bench.recover(Locking(None, 0.0))
    assert [one.verdict for one in found] == [Verdict.OPEN]
    assert (bench.store.records, len(bench.store.pending())) == ({}, 1)
    assert "-lock=false" in describe(found)[0].detail


def test_a_run_that_is_alive_is_left_alone(bench: Bench) -> None:
    bench.apply(bench.plan(desired(resource("one/a"))), dies_at=BEFORE_SETTLE)
    with bench.store.write(LockInfo("other", "apply", "you@there", 2), 0.0), pytest.raises(Locked):
        bench.recover()
    assert len(bench.store.pending()) == 1


@pytest.mark.parametrize("boundary", range(1, 7))
def test_a_recovery_that_dies_is_done_again(bench: Bench, boundary: int) -> None:
    wanted = desired(resource("one/a"), resource("many/b"))
    bench.apply(bench.plan(wanted), dies_at=BEFORE_SETTLE)
    bench.store.dies_at = boundary
    with pytest.raises(Death):
        bench.recover()
    bench.store.revive()
    bench.recover()
    bench.apply(bench.plan(wanted))
    assert sorted(t.address for t in bench.world.done) == ["many/b", "many/b", "one/a", "one/a"]
    assert not bench.plan(wanted).applyable


def test_a_plan_from_before_a_death_is_stale(bench: Bench) -> None:
    wanted = desired(resource("one/a"))
    old = bench.plan(wanted)
    bench.apply(bench.plan(wanted), dies_at=BEFORE_SETTLE)
    with pytest.raises(Invalid) as caught:
        bench.apply(old)
    assert "died while it carried out register on one/a" in caught.value.diagnostics[0].detail
    assert len(bench.world.done) == 1


def test_the_user_is_told_in_a_sentence(bench: Bench) -> None:
    bench.apply(bench.plan(desired(*(resource(f"many/n{number}") for number in range(8)))), dies_at=BEFORE_SETTLE)
    del bench.world.things["many/n3"]
    (told,) = describe(bench.recover())
    assert (told.code, told.severity) == ("run-recovered", Severity.WARNING)
    assert told.summary == "The run run-1 died, and what it left was settled"
    assert told.detail == (
        "It had done its work for many/n0 (register), many/n1 (register), many/n2 (register), many/n4 (register), "
        "many/n5 (register) and 2 more, which is recorded now. It had not for many/n3 (register), where the next plan "
        "goes on."
    )


def test_ten_thousand_intents_are_settled_quickly(bench: Bench) -> None:
    wanted = desired(*(resource(f"many/n{number}") for number in range(10_000)))
    bench.apply(bench.plan(wanted), dies_at=BEFORE_SETTLE)
    began = time.perf_counter()
    assert len(bench.recover()) == 10_000
    assert time.perf_counter() - began < 2
