"""Verbs that are only asked for: what is planned, and what a crash in the middle of one leaves."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from engine.memory import Death, MemoryStore
from engine.world import CATALOGUE, LIFECYCLE, Clock, Thing, World

from reconciler.engine.apply import apply_plan
from reconciler.engine.executor import Control
from reconciler.engine.on_demand import on_demand
from reconciler.engine.recovery import Verdict, recover
from reconciler.model.diagnostics import Invalid
from reconciler.model.history import LockInfo, Run
from reconciler.model.kind import Catalogue
from reconciler.model.lifecycle import Verb
from reconciler.model.outcome import Transition
from reconciler.model.plan import Plan
from reconciler.model.record import Record, RecordedState, Status
from reconciler.ports import Locking

VERBS = {
    **LIFECYCLE.verbs,
    "restart": Verb("restart", ("running",), on_demand=True, timeout=3.0),
    "reset": Verb("reset", ("running", "registered"), "registered", on_demand=True),
}
KIND = CATALOGUE.kinds["one"]._replace(lifecycle=LIFECYCLE._replace(verbs=VERBS, aliases={"reboot": "restart"}))
KINDS = Catalogue({**CATALOGUE.kinds, "one": KIND}, "digest", {})
RUN = Run("run-1", "restart", "me@here", "", "")
NOW = "2026-01-01T00:00:00Z"


def record(address: str, state: str = "running", needs: tuple[str, ...] = (), **facts: Any) -> Record:
    kind = address.partition("/")[0].capitalize()
    manifest = orjson.dumps({"kind": kind, "spec": {"value": 1}})
    made = Record(address, kind, state, Status.OK, "print-1", manifest, orjson.dumps(needs), "a.yaml:3", "c0ffee", 4)
    return made._replace(**facts)


def recorded(*records: Record) -> RecordedState:
    return RecordedState("line", 7, {each.address: each for each in records})


def plan(word: str, *addresses: str, state: RecordedState) -> Plan:
    return on_demand(word, addresses, state, KINDS, NOW)


def test_one_step_a_component_what_others_need_first() -> None:
    state = recorded(record("one/a", needs=("one/b",)), record("one/b"), record("many/c"))
    made = plan("restart", "one/a", "one/b", "one/a", state=state)
    assert [(s.address, s.verb, s.source, s.target, s.requires, s.timeout) for s in made.steps] == [
        ("one/b", "restart", "running", "running", (), 3.0),
        ("one/a", "restart", "running", "running", (0,), 3.0),
    ]
    assert [each.address for each in made.unchanged] == ["many/c"]
    assert (made.base.lineage, made.base.serial) == ("line", 7)
    assert all(change.before == change.after for change in made.changes)


def test_an_alias_and_a_verb_that_leads_elsewhere() -> None:
    state = recorded(record("one/a"))
    assert plan("reboot", "one/a", state=state).steps[0].verb == "restart"
    (step,) = plan("reset", "one/a", state=state).steps
    assert (step.source, step.target) == ("running", "registered")


def test_everything_that_cannot_be_done_is_told_at_once() -> None:
    state = recorded(record("one/a", "registered"), record("many/b"), record("one/c", kind="Gone"))
    with pytest.raises(Invalid) as raised:
        plan("restart", "one/a", "many/b", "one/c", "one/d", state=state)
    details = [f"{finding.summary}: {finding.detail}" for finding in raised.value.diagnostics]
    assert details == [
        "many/b cannot restart: The kind Many has no verb on demand. Its verbs are for applies, as the manifest "
        "asks: register, start, stop, update, remove.",
        "one/a cannot restart: It is registered, and restart starts from running.",
        "one/c cannot restart: No schema describes the kind Gone.",
        "There is no component one/d: ",
    ]


def test_a_planned_verb_cannot_be_asked_for() -> None:
    with pytest.raises(Invalid) as raised:
        plan("stop", "one/a", state=recorded(record("one/a")))
    assert "has on demand: restart, reset." in raised.value.diagnostics[0].detail


@pytest.mark.parametrize("status", Status)
def test_a_success_leaves_the_record_as_it_was_but_well(status: Status) -> None:
    store, world = in_world(record("one/a", status=status, error="x", failures=2))
    carry_out(store, world)
    after = store.records["one/a"]
    assert after == record("one/a", serial=1)
    assert [(t.verb, t.old, t.new) for t in world.done] == [("restart", after.manifest, after.manifest)]


def test_a_failure_is_recorded_where_it_was() -> None:
    store, world = in_world(record("one/a"))
    world.before = lambda _: "no room"
    carry_out(store, world)
    after = store.records["one/a"]
    assert (after.state, after.status, after.error, after.commit) == ("running", Status.FAILED, "no room", "c0ffee")


@pytest.mark.parametrize("half", [False, True])
def test_a_crash_in_the_middle_is_settled_by_what_is_there(half: bool) -> None:
    store, world = in_world(record("one/a"))
    world.halves = lambda _: half

    def die(transition: Transition) -> str:
        store.doomed = True
        return ""

    world.before = die
    with pytest.raises(Death):
        carry_out(store, world)
    world.rest()
    store.revive()
    (found,) = recover(store, locking(), KINDS, world.driver_for, RUN._replace(id="run-2"))
    assert (found.intent.verb, found.verdict) == ("restart", Verdict.TAKEN_BACK if half else Verdict.FINISHED)
    after = store.records["one/a"]
    assert after.status is (Status.FAILED if half else Status.OK)
    assert (after.state, after.commit) == ("running", "c0ffee")


def in_world(one: Record) -> tuple[MemoryStore, World]:
    store, world = MemoryStore(), World()
    store.records = {one.address: one}
    world.things = {one.address: Thing("running", 1)}
    return store, world


def carry_out(store: MemoryStore, world: World) -> None:
    made, control = plan("restart", "one/a", state=store.load()), Control(4, lambda: False)
    apply_plan(made, RUN, store, locking(), world.driver_for, Clock(), lambda _: None, control)


def locking() -> Locking:
    return Locking(LockInfo("id", "restart", "me@here", 1), 0.0)
