"""Carries out a plan: journal the intent, ask the driver, record the outcome.

The executor works from the plan alone. One thread, the caller's, writes the state; drivers run in others. What is ready
at the same moment is journalled in one transaction, and what finished at the same moment is recorded in one. A step
that fails leaves the rest running, but for what depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from reconciler.engine.calls import Call, Calls, Ended
from reconciler.engine.keys import Keys
from reconciler.engine.records import NOTHING, after_failure, after_success, intent
from reconciler.engine.schedule import Schedule
from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.event import Event, RunFinished, RunStarted, StepFinished, StepSkipped, StepStarted, Summary
from reconciler.model.history import Intent, Run
from reconciler.model.outcome import Transition
from reconciler.model.plan import Plan, Step
from reconciler.model.record import Record
from reconciler.ports import Clock, DriverFor, Emit, StateError, StateWriter, Write

Stop = Callable[[], bool]
"""Says whether the user asked to end the run; asked before each new step."""


class Control(NamedTuple):
    """How many calls of drivers may run at once, and when to end early. `unsettled` are the keys of the intents of
    earlier runs that are known to be open: the run goes on in spite of them."""

    parallelism: int
    stop: Stop
    unsettled: frozenset[str] = frozenset()


GATHER = 0.5
"""For how long, in seconds, outcomes of drivers that do not act on the world are gathered before they are recorded."""


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
        self._keys: Keys
        self._records = {address: records[address] for address in self._changes if address in records}
        self._writer = writer
        self._driver_for = driver_for
        self._clock = clock
        self._emit = emit
        self._calls = Calls(clock)
        self._held: list[Write] = []
        self._untold: list[Event] = []
        self._recorded = clock.monotonic()
        self._stuck: dict[str, Address] = {}
        self._finished: list[Change] = []
        self._failed: list[Address] = []
        self._skipped: dict[Address, None] = {}

    def execute(self, control: Control) -> Summary:
        """Runs the plan to its end, or to the next safe point after `control.stop` says so. Raises StateError where the
        state can no longer be written, once what runs has ended and what can still be recorded of it is."""
        began = self._clock.monotonic()
        self._keys = Keys(self._run.id, control.unsettled)
        self._emit(RunStarted(len(self._steps)))
        self._writer.begin(self._run)
        try:
            while (not control.stop() and self._start(control.parallelism)) or self._calls:
                self._settle(self._calls.wait())
            self._record()
        except StateError:
            self._wind_up()
            raise
        for step in self._schedule.rest():
            self._skip(step, because="")
        summary = self._summary(self._clock.monotonic() - began)
        self._writer.finish(_verdict(summary))
        self._emit(RunFinished(summary))
        return summary

    def _start(self, parallelism: int) -> bool:
        """Starts what may run now; tells whether anything did."""
        self._give_up_stuck()
        calls = [self._call(queue, steps) for queue, steps in self._choose(parallelism - len(self._calls))]
        if not calls:
            return False
        acting = [call for call in calls if call.driver.acts]
        if acting:
            self._record()
            self._writer.intend([intent for call in acting for intent in self._intents(call)])
        for call in calls:
            for step in call.steps:
                self._tell(StepStarted(step))
            self._calls.start(call)
        return True

    def _choose(self, free: int) -> list[tuple[str, tuple[Step, ...]]]:
        """The next calls, at most `free`: all that is ready for a driver that batches (one call at a time), else step
        by step."""
        busy = self._calls.queues()
        calls: list[tuple[str, tuple[Step, ...]]] = []
        for queue in self._schedule.queues():
            batches = self._driver_for(queue).batches
            room = free - len(calls)
            if room and batches and queue not in busy:
                calls.append((queue, self._schedule.take(queue)))
            elif room and not batches:
                calls.extend((queue, (step,)) for step in self._schedule.take(queue, room))
        return calls

    def _give_up_stuck(self) -> None:
        """Skips what waits for a driver that batches and never answered: a second call could meet the first one."""
        for queue in self._schedule.queues():
            for step in self._schedule.take(queue) if queue in self._stuck else ():
                self._skip(step, because=self._stuck[queue])
                self._skip_followers(step, because=self._stuck[queue])

    def _call(self, queue: str, steps: tuple[Step, ...]) -> Call:
        transitions = tuple(self._transition(step) for step in steps)
        return Call(queue, self._driver_for(queue), steps, transitions, self._clock.monotonic())

    def _intents(self, call: Call) -> Iterator[Intent]:
        for step, transition in zip(call.steps, call.transitions, strict=True):
            current = self._records.get(step.address)
            yield intent(self._changes[step.address], step, transition.key, current, self._run.commit)

    def _transition(self, step: Step) -> Transition:
        change = self._changes[step.address]
        current = self._records.get(step.address, NOTHING)
        after = change.after
        return Transition(
            key=self._keys.of(step, change, current),
            address=step.address,
            kind=change.kind,
            verb=step.verb,
            source=step.source,
            target=step.target,
            old=current.manifest,
            new=after.manifest if after else b"",
            timeout=step.timeout,
        )

    def _settle(self, ended: Sequence[Ended]) -> None:
        """Takes in what came of each call. What a driver did to the world is recorded at once; of drivers that do
        nothing there, more is gathered first."""
        failures: list[Step] = []
        now = self._clock.monotonic()
        for call, outcomes, given_up in ended:
            for step, outcome in zip(call.steps, outcomes, strict=True):
                self._held.append(self._write(step, outcome.error))
                last = self._last[step.address] == step.number
                self._untold.append(StepFinished(step, outcome.error, now - call.started, last))
                if outcome.error:
                    failures.append(step)
                else:
                    self._succeed(step)
            if given_up and call.driver.batches:
                self._stuck[call.queue] = call.steps[0].address
        overdue = now - self._recorded >= GATHER
        if failures or overdue or any(call.driver.acts for call, _, _ in ended):
            self._record()
        for step in failures:
            self._failed.append(step.address)
            self._skip_followers(step, because=step.address)

    def _record(self) -> None:
        """Records what is held, in one transaction, and then tells of it."""
        if not self._held:
            return
        held, self._held = self._held, []
        untold, self._untold = self._untold, []
        self._writer.settle(held)
        self._recorded = self._clock.monotonic()
        for event in untold:
            self._emit(event)

    def _tell(self, event: Event) -> None:
        """Emits `event`, in its turn behind what waits to be recorded."""
        if self._held:
            self._untold.append(event)
        else:
            self._emit(event)

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

    def _succeed(self, step: Step) -> None:
        self._schedule.succeeded(step)
        if self._last[step.address] == step.number:
            self._finished.append(self._changes[step.address])

    def _wind_up(self) -> None:
        """Waits for what still runs, and records of it and of the run's end what the state still takes. The rest stays
        an open intent, for the next run to settle."""
        while self._calls:
            ended = self._calls.wait()
            with suppress(StateError):
                self._settle(ended)
        with suppress(StateError):
            self._record()
            self._writer.finish("failed")

    def _skip_followers(self, step: Step, because: Address) -> None:
        for skipped in self._schedule.failed(step):
            self._skip(skipped, because)

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


def _verdict(summary: Summary) -> str:
    if summary.interrupted:
        return "interrupted"
    return "failed" if summary.failed else "ok"
