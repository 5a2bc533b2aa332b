"""The executor against drivers that fail, raise, hang and lie."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import orjson
import pytest

from reconciler.engine.calls import Call
from reconciler.engine.executor import Control, Executor
from reconciler.model.change import Action, Change, Reason, Side
from reconciler.model.event import Event, StepFinished, StepSkipped, StepStarted, Summary
from reconciler.model.history import Intent, Run
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.plan import Base, Options, Plan, Step
from reconciler.model.record import Observation, Record, RecordedState, Status
from reconciler.model.resource import Revision
from reconciler.ports import StateError, Write

RUN = Run("run-1", "apply", "me@here", "c0ffee", "tree")


class Clock:
    def now(self) -> str:
        return "2026-01-01T00:00:00Z"

    def monotonic(self) -> float:
        return time.monotonic()


class Writer:
    """Keeps the order of everything that is written, and fails when told to."""

    def __init__(self) -> None:
        self.log: list[tuple[str, object]] = []
        self.records: dict[str, Record | None] = {}
        self.intents: list[Intent] = []
        self.broken = False
        self.full_after = 10**6

    def begin(self, run: Run) -> None:
        self.log.append(("begin", run.id))

    def intend(self, intents: Sequence[Intent]) -> None:
        if len(self.intents) >= self.full_after:
            raise StateError("The disk is full.")
        self.intents += intents
        self.log.append(("intend", tuple(intent.address for intent in intents)))

    def settle(self, writes: Sequence[Write]) -> int:
        if self.broken:
            raise StateError("The disk is full.")
        self.log.append(("settle", tuple(w.address for w in writes)))
        self.records.update({write.address: write.record for write in writes})
        return 1

    def finish(self, outcome: str) -> None:
        self.log.append(("finish", outcome))

    def replace(self, recorded: RecordedState, why: str) -> int:
        raise AssertionError("An executor replaces nothing.")


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

    def logs(self, record: Record, lines: int, follow: bool) -> Iterable[str]:
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


def create(number: int, name: str, *requires: int, timeout: float = 0.0) -> Step:
    return Step(number, f"thing/{name}", "create", "absent", "present", requires, timeout)


class Bench:
    """An executor with everything around it."""

    def __init__(
        self, made: Plan, driver: FaultyDriver, records: Iterable[Record] = (), writer: Writer | None = None
    ) -> None:
        self.writer = writer or Writer()
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
        assert (transition.key, transition.address) in [intent[:2] for intent in bench.writer.intents]
        seen.append(transition.key)
        return ""

    bench = Bench(THREE, FaultyDriver(behave))
    assert not bench.execute().failed
    assert len(set(seen)) == 3
    assert bench.writer.log[0] == ("begin", "run-1")
    assert bench.writer.log[-1] == ("finish", "ok")


def test_an_intent_holds_the_record_before_and_the_one_after() -> None:
    old = Record("thing/a", "Thing", "present", Status.FAILED, "old", b"{}", error="no space", failures=2)
    step = Step(0, "thing/a", "update", "present", "present", ())
    bench = Bench(plan(change("a", Action.UPDATE, ("update",)), steps=[step]), FaultyDriver(), [old])
    bench.execute()
    (intent,) = bench.writer.intents
    assert intent.key.startswith("run-1/")
    assert (intent.verb, intent.source, intent.target) == ("update", "present", "present")
    assert (intent.attempt, intent.before, intent.after) == (3, old, bench.writer.records["thing/a"])
    assert intent.after is not None
    assert (intent.after.fingerprint, intent.after.failures, intent.after.error) == ("new", 0, "")


def test_the_intent_of_a_removal_has_nothing_after() -> None:
    old = Record("thing/a", "Thing", "present", Status.OK, "old", b"{}")
    made = plan(change("a", Action.DELETE, ("delete",)), steps=[Step(0, "thing/a", "delete", "present", "absent", ())])
    bench = Bench(made, FaultyDriver(), [old])
    bench.execute()
    assert [(intent.before, intent.after) for intent in bench.writer.intents] == [(old, None)]


def test_a_driver_that_does_not_act_is_not_journalled() -> None:
    driver = FaultyDriver()
    driver.acts = False
    bench = Bench(THREE, driver)
    assert bench.execute().added == 3
    assert bench.writer.intents == []


def test_failures_in_a_row_are_counted() -> None:
    old = Record("thing/a", "Thing", "present", Status.FAILED, "old", b"{}", failures=4)
    step = Step(0, "thing/a", "update", "present", "present", ())
    bench = Bench(plan(change("a", Action.UPDATE, ("update",)), steps=[step]), FaultyDriver(lambda _: "no"), [old])
    bench.execute()
    record = bench.writer.records["thing/a"]
    assert record is not None
    assert record.failures == 5


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


def test_a_full_disk_ends_the_run_with_what_was_running_recorded() -> None:
    bench = Bench(THREE, FaultyDriver())
    bench.writer.full_after = 2
    with pytest.raises(StateError, match="disk is full"):
        bench.execute(parallelism=2)
    assert set(bench.writer.records) == {"thing/a", "thing/c"}
    assert bench.writer.log[-1] == ("finish", "failed")


def test_an_intent_that_cannot_be_noted_lets_what_runs_end_and_be_recorded() -> None:
    refused = threading.Event()

    class Refusing(Writer):
        def intend(self, intents: Sequence[Intent]) -> None:
            try:
                super().intend(intents)
            except StateError:
                refused.set()
                raise

    def behave(transition: Transition) -> str:
        if transition.address == "thing/c":
            assert refused.wait(10)
            return "no space"
        return ""

    bench = Bench(THREE, FaultyDriver(behave), writer=Refusing())
    bench.writer.full_after = 2
    with pytest.raises(StateError, match="disk is full"):
        bench.execute(parallelism=2)
    assert [call for calls in bench.driver.calls for call in calls] == ["thing/a:create", "thing/c:create"]
    errors = {address: record.error for address, record in bench.writer.records.items() if record}
    assert errors == {"thing/a": "", "thing/c": "no space"}
    finished = {event.step.address for event in bench.events if isinstance(event, StepFinished)}
    assert finished == {"thing/a", "thing/c"}
    assert bench.writer.log[-1] == ("finish", "failed")


def test_a_lost_state_does_not_end_the_run_before_its_drivers() -> None:
    ended: list[str] = []

    def behave(transition: Transition) -> str:
        time.sleep(0.05 if transition.address == "thing/c" else 0)
        ended.append(transition.address)
        return ""

    bench = Bench(THREE, FaultyDriver(behave))
    bench.writer.broken = True
    with pytest.raises(StateError):
        bench.execute()
    assert ended == ["thing/a", "thing/c"]


class Hanging:
    """Never answers for thing/a, until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self, transition: Transition) -> str:
        if transition.address == "thing/a":
            self.let_go.wait(10)
        return ""


HANGS = plan(
    change("a"),
    change("b"),
    change("c"),
    change("d"),
    steps=[create(0, "a", timeout=0.05), create(1, "b", 0), create(2, "c", timeout=0.05), create(3, "d", 2)],
)


def test_a_verb_that_hangs_is_given_up_and_the_rest_goes_on() -> None:
    bench = Bench(HANGS, FaultyDriver(hanging := Hanging()))
    began = time.monotonic()
    summary = bench.execute()
    assert time.monotonic() - began < 5
    hanging.let_go.set()
    assert (summary.failed, summary.skipped, summary.added) == (("thing/a",), ("thing/b",), 2)
    assert not summary.interrupted
    record = bench.writer.records["thing/a"]
    assert record is not None
    assert (record.error, record.status, record.state) == ("create did not end within 0.05s", Status.FAILED, "absent")


def test_a_late_answer_is_ignored() -> None:
    hanging = Hanging()

    def behave(transition: Transition) -> str:
        if transition.address == "thing/d":
            time.sleep(0.15)  # thing/a is given up meanwhile
            hanging.let_go.set()
            time.sleep(0.05)
        return hanging(transition)

    bench = Bench(HANGS, FaultyDriver(behave))
    assert bench.execute().added == 2
    assert [what for name, what in bench.writer.log if name == "settle"].count(("thing/a",)) == 1


def test_a_batch_that_hangs_stops_its_driver_for_the_run() -> None:
    bench = Bench(HANGS, FaultyDriver(hanging := Hanging(), batches=True))
    summary = bench.execute()
    hanging.let_go.set()
    assert (summary.failed, set(summary.skipped)) == (("thing/a", "thing/c"), {"thing/b", "thing/d"})
    assert not summary.interrupted
    assert len(bench.driver.calls) == 1


def test_what_waits_for_a_stuck_driver_is_skipped_because_of_it() -> None:
    hanging = Hanging()
    quick, slow = FaultyDriver(), FaultyDriver(hanging, batches=True)
    changes = [change("a")._replace(driver="slow"), change("b"), change("c")._replace(driver="slow"), change("d")]
    steps = [create(0, "a", timeout=0.05), create(1, "b"), create(2, "c", 1), create(3, "d", 2)]
    bench = Bench(plan(*changes, steps=steps), quick)
    bench.executor = Executor(
        plan(*changes, steps=steps),
        RUN,
        {},
        bench.writer,
        lambda name: slow if name == "slow" else quick,
        Clock(),
        bench.events.append,
    )
    summary = bench.execute()
    hanging.let_go.set()
    assert (summary.failed, summary.skipped, summary.added) == (("thing/a",), ("thing/c", "thing/d"), 1)
    assert {event.because for event in bench.events if isinstance(event, StepSkipped)} == {"thing/a"}


@pytest.mark.parametrize(("timeouts", "limit"), [((2.0, 5.0), 5.0), ((2.0, 0.0), 0.0), ((0.0,), 0.0)])
def test_a_batch_has_the_longest_time_of_its_steps(timeouts: tuple[float, ...], limit: float) -> None:
    steps = tuple(create(number, "x", timeout=timeout) for number, timeout in enumerate(timeouts))
    assert Call("faulty", FaultyDriver(), steps, (), 0.0).limit == limit


def test_a_driver_that_keeps_its_own_time_is_believed() -> None:
    def behave(transition: Transition) -> str:
        time.sleep(transition.timeout)
        return "killed after its time was over"

    made = plan(change("a"), steps=[create(0, "a", timeout=0.3)])
    bench = Bench(made, FaultyDriver(lambda t: behave(t._replace(timeout=0.28))))
    bench.execute()
    record = bench.writer.records["thing/a"]
    assert record is not None
    assert record.error == "killed after its time was over"


def test_each_component_is_started_and_finished_once() -> None:
    bench = Bench(THREE, FaultyDriver())
    bench.execute()
    assert sum(isinstance(event, StepStarted) for event in bench.events) == 3
    assert [e.last for e in bench.events if isinstance(e, StepFinished)] == [True, True, True]
