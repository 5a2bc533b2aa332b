"""The executor against drivers that fail, raise, hang and lie."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import orjson
import pytest

from reconciler.engine.executor import Control, Executor
from reconciler.model.change import Action, Change, Reason, Side
from reconciler.model.event import Event, StepFinished, StepSkipped, StepStarted, Summary
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.plan import Base, Options, Plan, Step
from reconciler.model.record import Observation, Record, Status
from reconciler.model.resource import Revision
from reconciler.ports import Run, StateError, Write

RUN = Run("run-1", "apply", "me@here", "c0ffee", "tree")


class Clock:
    def now(self) -> str:
        return "2026-01-01T00:00:00Z"

    def monotonic(self) -> float:
        return 0.0


class Writer:
    """Keeps the order of everything that is written, and fails when told to."""

    def __init__(self) -> None:
        self.log: list[tuple[str, object]] = []
        self.records: dict[str, Record | None] = {}
        self.broken = False

    def begin(self, run: Run) -> None:
        self.log.append(("begin", run.id))

    def intend(self, transitions: Sequence[Transition]) -> None:
        self.log.append(("intend", tuple(t.address for t in transitions)))

    def settle(self, writes: Sequence[Write]) -> int:
        if self.broken:
            raise StateError("The disk is full.")
        self.log.append(("settle", tuple(w.address for w in writes)))
        self.records.update({write.address: write.record for write in writes})
        return 1

    def finish(self, outcome: str) -> None:
        self.log.append(("finish", outcome))


class FaultyDriver:
    """Answers as `behave` says: with an error text, "" for success; it may raise."""

    name = "faulty"
    acts = True

    def __init__(self, behave: Callable[[Transition], str] = lambda _: "", batches: bool = False) -> None:
        self.behave = behave
        self.batches = batches
        self.calls: list[tuple[str, ...]] = []

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        self.calls.append(tuple(f"{t.address}:{t.verb}" for t in transitions))
        return [Outcome(t.address, self.behave(t)) for t in transitions]

    def observe(self, records: Sequence[Record]) -> Iterable[Observation]:
        return ()

    def health(self, record: Record) -> Health:
        return Health(True)

    def logs(self, record: Record) -> Iterable[str]:
        return ()


def change(name: str, action: Action = Action.CREATE, verbs: tuple[str, ...] = ("create",)) -> Change:
    manifest = orjson.dumps({"kind": "Thing", "metadata": {"name": name}, "spec": {"size": 2}})
    side = Side("present", "new", manifest, ())
    before = None if action is Action.CREATE else Side("present", "old", b"{}", ())
    after = None if action is Action.DELETE else side
    return Change(f"thing/{name}", "Thing", "faulty", action, Reason.NONE, before, after, verbs, (), "a.yaml:1")


def plan(*changes: Change, steps: Sequence[Step]) -> Plan:
    revision = Revision("c0ffee", "tree", False)
    return Plan(
        Options(), Base("line", 1), revision, "schemas", changes, tuple(steps), (), (), (), "2026-01-01T00:00:00Z"
    )


def create(number: int, name: str, *requires: int) -> Step:
    return Step(number, f"thing/{name}", "create", "absent", "present", requires)


class Bench:
    """An executor with everything around it."""

    def __init__(self, made: Plan, driver: FaultyDriver, records: Iterable[Record] = ()) -> None:
        self.writer = Writer()
        self.events: list[Event] = []
        self.driver = driver
        self.executor = Executor(
            made, RUN, {r.address: r for r in records}, self.writer, lambda _: driver, Clock(), self.events.append
        )

    def execute(self, parallelism: int = 4, stop: Callable[[], bool] = lambda: False) -> Summary:
        return self.executor.execute(Control(parallelism, stop))


THREE = plan(
    change("a"), change("b"), change("c"), steps=[create(0, "a"), create(1, "b", 0), create(2, "c")]
)  # fmt: skip


def test_everything_is_created_in_order_and_recorded() -> None:
    bench = Bench(THREE, FaultyDriver())
    summary = bench.execute()
    assert (summary.added, summary.changed, summary.destroyed) == (3, 0, 0)
    record = bench.writer.records["thing/b"]
    assert record is not None
    assert (record.state, record.status, record.fingerprint, record.commit) == ("present", Status.OK, "new", "c0ffee")
    order = [call for calls in bench.driver.calls for call in calls]
    assert order.index("thing/a:create") < order.index("thing/b:create")


def test_every_intent_is_durable_before_its_driver_acts() -> None:
    seen: list[str] = []

    def behave(transition: Transition) -> str:
        intended = [address for name, what in bench.writer.log if name == "intend" for address in what]  # type: ignore[attr-defined]
        assert transition.address in intended
        seen.append(transition.key)
        return ""

    bench = Bench(THREE, FaultyDriver(behave))
    assert not bench.execute().failed
    assert sorted(seen) == ["run-1/0", "run-1/1", "run-1/2"]
    assert bench.writer.log[0] == ("begin", "run-1")
    assert bench.writer.log[-1] == ("finish", "ok")


def test_a_failure_is_recorded_and_stops_only_what_depends_on_it() -> None:
    bench = Bench(THREE, FaultyDriver(lambda t: "no space" if t.address == "thing/a" else ""))
    summary = bench.execute()
    assert (summary.failed, summary.skipped, summary.added) == (("thing/a",), ("thing/b",), 1)
    record = bench.writer.records["thing/a"]
    assert record is not None
    assert (record.state, record.status, record.error, record.manifest) == ("absent", Status.FAILED, "no space", b"")
    assert "thing/b" not in bench.writer.records
    assert [e.because for e in bench.events if isinstance(e, StepSkipped)] == ["thing/a"]
    assert bench.writer.log[-1] == ("finish", "failed")


def test_a_failed_update_keeps_the_old_manifest() -> None:
    old = Record("thing/a", "Thing", "present", Status.OK, "old", b'{"old":1}')
    made = plan(
        change("a", Action.UPDATE, ("update",)), steps=[Step(0, "thing/a", "update", "present", "present", ())]
    )  # fmt: skip
    bench = Bench(made, FaultyDriver(lambda _: "refused"), [old])
    bench.execute()
    record = bench.writer.records["thing/a"]
    assert record is not None
    assert (record.fingerprint, record.manifest, record.status) == ("old", b'{"old":1}', Status.FAILED)


def test_a_component_stops_at_the_state_that_it_reached() -> None:
    steps = [
        Step(0, "thing/a", "register", "absent", "registered", ()),
        Step(1, "thing/a", "start", "registered", "running", (0,)),
    ]
    made = plan(change("a", verbs=("register", "start")), steps=steps)
    bench = Bench(made, FaultyDriver(lambda t: "exit 1" if t.verb == "start" else ""))
    summary = bench.execute()
    record = bench.writer.records["thing/a"]
    assert record is not None
    assert (record.state, record.status, record.fingerprint) == ("registered", Status.FAILED, "new")
    assert (summary.added, summary.failed, summary.skipped) == (0, ("thing/a",), ())


def test_a_deleted_component_leaves_no_record() -> None:
    old = Record("thing/a", "Thing", "present", Status.OK, "old", b"{}")
    made = plan(change("a", Action.DELETE, ("delete",)), steps=[Step(0, "thing/a", "delete", "present", "absent", ())])
    bench = Bench(made, FaultyDriver(), [old])
    assert bench.execute().destroyed == 1
    assert bench.writer.records == {"thing/a": None}


@pytest.mark.parametrize("batches", [False, True])
def test_an_exception_in_a_driver_fails_its_steps_with_its_name(batches: bool) -> None:
    def behave(transition: Transition) -> str:
        raise KeyError("oops")

    summary = (bench := Bench(THREE, FaultyDriver(behave, batches))).execute()
    assert set(summary.failed) == {"thing/a", "thing/c"}
    record = bench.writer.records["thing/a"]
    assert record is not None
    assert record.error == "the faulty driver has a bug: KeyError: 'oops'"


def test_a_driver_that_batches_gets_all_that_is_ready_at_once() -> None:
    bench = Bench(THREE, FaultyDriver(batches=True))
    bench.execute()
    assert bench.driver.calls == [("thing/a:create", "thing/c:create"), ("thing/b:create",)]
    settled = [what for name, what in bench.writer.log if name == "settle"]
    assert settled == [("thing/a", "thing/c"), ("thing/b",)]


def test_no_more_run_at_once_than_allowed() -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def behave(transition: Transition) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(0.01)
        with lock:
            running[0] -= 1
        return ""

    gate = threading.Event()
    names = [f"n{number}" for number in range(12)]
    made = plan(*map(change, names), steps=[create(number, name) for number, name in enumerate(names)])
    assert Bench(made, FaultyDriver(behave)).execute(parallelism=3).added == 12
    assert 1 < most[0] <= 3


def test_an_interrupt_lets_what_runs_end_and_starts_nothing_more() -> None:
    stopped = threading.Event()

    def behave(transition: Transition) -> str:
        stopped.set()
        return ""

    bench = Bench(THREE, FaultyDriver(behave))
    summary = bench.execute(parallelism=1, stop=stopped.is_set)
    assert summary.interrupted
    assert summary.added == 1
    assert set(summary.skipped) == {"thing/b", "thing/c"}
    assert bench.writer.log[-1] == ("finish", "interrupted")


def test_a_state_that_cannot_be_written_ends_the_run() -> None:
    bench = Bench(THREE, FaultyDriver())
    bench.writer.broken = True
    with pytest.raises(StateError, match="disk is full"):
        bench.execute()
    assert not any(isinstance(event, StepFinished) for event in bench.events)


def test_each_component_is_started_and_finished_once() -> None:
    bench = Bench(THREE, FaultyDriver())
    bench.execute()
    assert sum(isinstance(event, StepStarted) for event in bench.events) == 3
    assert [e.last for e in bench.events if isinstance(e, StepFinished)] == [True, True, True]
