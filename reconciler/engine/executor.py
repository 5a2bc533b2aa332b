"""Carries out a plan: journal the intent, ask the driver, record the outcome.

The executor works from the plan alone. One thread, the caller's, writes the state; drivers run in a pool. What is
ready at the same moment is journalled in one transaction, and what finished at the same moment is recorded in one.
A step that fails leaves the rest running, but for what depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from reconciler.engine.records import NOTHING, after_failure, after_success
from reconciler.engine.schedule import Schedule
from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.event import RunFinished, RunStarted, StepFinished, StepSkipped, StepStarted, Summary
from reconciler.model.outcome import Outcome, Transition
from reconciler.model.plan import Plan, Step
from reconciler.model.record import Record
from reconciler.ports import Clock, Driver, DriverFor, Emit, Run, StateWriter, Write

Stop = Callable[[], bool]
"""Says whether the user asked to end the run; asked before each new step."""


class Control(NamedTuple):
    """How many calls of drivers may run at once, and when to end early."""

    parallelism: int
    stop: Stop


class _Task(NamedTuple):
    """Some steps that one call of a driver carries out; `queue` is the driver's name in the plan."""

    queue: str
    driver: Driver
    steps: tuple[Step, ...]
    transitions: tuple[Transition, ...]
    started: float


class Executor:
    """One run of one plan. `records` are those of the state the plan was made from, by address."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        records: Mapping[Address, Record],
        writer: StateWriter,
        driver_for: DriverFor,
        clock: Clock,
        emit: Emit,
    ) -> None:
        self._changes = {change.address: change for change in plan.changes}
        self._last = {step.address: step.number for step in plan.steps}
        self._steps = plan.steps
        self._schedule = Schedule(plan.steps, queue=lambda step: self._changes[step.address].driver)
        self._run = run
        self._records = {address: records[address] for address in self._changes if address in records}
        self._writer = writer
        self._driver_for = driver_for
        self._clock = clock
        self._emit = emit
        self._running: dict[Future[Sequence[Outcome]], _Task] = {}
        self._finished: list[Change] = []
        self._failed: list[Address] = []
        self._skipped: dict[Address, None] = {}

    def execute(self, control: Control) -> Summary:
        """Runs the plan to its end, or to the next safe point after `control.stop` says so. Raises StateError where the
        state can no longer be written."""
        began = self._clock.monotonic()
        self._emit(RunStarted(len(self._steps)))
        self._writer.begin(self._run)
        with ThreadPoolExecutor(control.parallelism) as pool:
            while (not control.stop() and self._start(pool, control.parallelism)) or self._running:
                done, _ = wait(self._running, return_when=FIRST_COMPLETED)
                self._settle([(self._running.pop(future), future) for future in done])
        for step in self._schedule.rest():
            self._skip(step, because="")
        summary = self._summary(self._clock.monotonic() - began)
        self._writer.finish(_verdict(summary))
        self._emit(RunFinished(summary))
        return summary

    def _start(self, pool: ThreadPoolExecutor, parallelism: int) -> bool:
        """Starts what may run now; tells whether anything did."""
        tasks = [self._task(queue, steps) for queue, steps in self._choose(parallelism - len(self._running))]
        if not tasks:
            return False
        self._writer.intend([transition for task in tasks if task.driver.acts for transition in task.transitions])
        for task in tasks:
            for step in task.steps:
                self._emit(StepStarted(step))
            self._running[pool.submit(task.driver.execute, task.transitions)] = task
        return True

    def _choose(self, free: int) -> list[tuple[str, tuple[Step, ...]]]:
        """The next calls, at most `free`: all that is ready for a driver that batches (one call at a time), else step
        by step."""
        busy = {task.queue for task in self._running.values()}
        calls: list[tuple[str, tuple[Step, ...]]] = []
        for queue in self._schedule.queues():
            batches = self._driver_for(queue).batches
            room = free - len(calls)
            if room and batches and queue not in busy:
                calls.append((queue, self._schedule.take(queue)))
            elif room and not batches:
                calls.extend((queue, (step,)) for step in self._schedule.take(queue, room))
        return calls

    def _task(self, queue: str, steps: tuple[Step, ...]) -> _Task:
        transitions = tuple(self._transition(step) for step in steps)
        return _Task(queue, self._driver_for(queue), steps, transitions, self._clock.monotonic())

    def _transition(self, step: Step) -> Transition:
        change = self._changes[step.address]
        record = self._records.get(step.address)
        after = change.after
        return Transition(
            key=f"{self._run.id}/{step.number}",
            address=step.address,
            kind=change.kind,
            verb=step.verb,
            source=step.source,
            target=step.target,
            old=record.manifest if record else b"",
            new=after.manifest if after else b"",
            timeout=step.timeout,
        )

    def _settle(self, done: Iterable[tuple[_Task, Future[Sequence[Outcome]]]]) -> None:
        """Records what came of each finished task, in one transaction, and then tells of it."""
        settled = [
            (step, outcome.error, task.started)
            for task, future in done
            for step, outcome in zip(task.steps, _outcomes(task, future), strict=True)
        ]
        self._writer.settle([self._write(step, error) for step, error, _ in settled])
        now = self._clock.monotonic()
        for step, error, started in settled:
            self._emit(StepFinished(step, error, now - started, last=self._last[step.address] == step.number))
            self._follow(step, error)

    def _write(self, step: Step, error: str) -> Write:
        change = self._changes[step.address]
        current = self._records.get(step.address, NOTHING)
        if error:
            record: Record | None = after_failure(change, step, current, error)
        else:
            record = after_success(change, step, current, self._run.commit)
        if record is None:
            self._records.pop(step.address, None)
        else:
            self._records[step.address] = record
        return Write(step.address, record, step.verb, error)

    def _follow(self, step: Step, error: str) -> None:
        if error:
            self._failed.append(step.address)
            for skipped in self._schedule.failed(step):
                self._skip(skipped, because=step.address)
            return
        self._schedule.succeeded(step)
        if self._last[step.address] == step.number:
            self._finished.append(self._changes[step.address])

    def _skip(self, step: Step, because: Address) -> None:
        self._skipped[step.address] = None
        self._emit(StepSkipped(step, because))

    def _summary(self, elapsed: float) -> Summary:
        actions = [change.action for change in self._finished]
        replaced = actions.count(Action.REPLACE)
        return Summary(
            added=actions.count(Action.CREATE) + replaced,
            changed=actions.count(Action.UPDATE),
            destroyed=actions.count(Action.DELETE) + replaced,
            failed=tuple(self._failed),
            skipped=tuple(address for address in self._skipped if address not in self._failed),
            interrupted=bool(self._schedule.rest()),
            elapsed=elapsed,
        )


def _outcomes(task: _Task, future: Future[Sequence[Outcome]]) -> Sequence[Outcome]:
    """What the driver answered; an exception in it fails all steps of the call."""
    error = future.exception()
    if error is None and len(future.result()) == len(task.steps):
        return future.result()
    fault = f"{type(error).__name__}: {error}" if error else "it answered for other components than it was asked about"
    text = f"the {task.driver.name} driver has a bug: {fault}"
    return [Outcome(step.address, text) for step in task.steps]


def _verdict(summary: Summary) -> str:
    if summary.interrupted:
        return "interrupted"
    return "failed" if summary.failed else "ok"
