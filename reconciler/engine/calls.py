"""Calls of drivers, each in a thread of its own and with a limit of time.

A driver is told the limit and may keep it itself. One that does not is given up a little later: its steps count as
failed, an answer that still comes is ignored, and its thread is left alone, which does not keep the program from
ending. What such a call still does can be neither known nor stopped: it may change the world after its step was
recorded as failed, until this process ends, and programs that it started may outlive even that. So nothing that could
meet it is started in the same run: no further step of its components, and no further call of a driver that batches. The
failed record keeps the state that was reached before, the next plan looks at what is there, and drivers are
idempotent: what the late call did is found under the component's own name, and finished or removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from reconciler.model.outcome import Outcome, Transition
from reconciler.model.plan import Step
from reconciler.ports import Clock, Driver

_GRACE = 0.1
_MOST_GRACE = 5.0
"""The share of its limit, and the most seconds, by which a driver that keeps its own time may be late."""


class Call(NamedTuple):
    """Some steps that one call of a driver carries out; `queue` is the driver's name in the plan."""

    queue: str
    driver: Driver
    steps: tuple[Step, ...]
    transitions: tuple[Transition, ...]
    started: float

    @property
    def limit(self) -> float:
        """The longest timeout of its steps, in seconds; 0 where one of them has none."""
        timeouts = [step.timeout for step in self.steps]
        return max(timeouts) if all(timeouts) else 0.0

    @property
    def deadline(self) -> float:
        limit = self.limit
        return self.started + limit + min(limit * _GRACE, _MOST_GRACE) if limit else float("inf")


class Ended(NamedTuple):
    """A call and what came of its steps, in their order; `given_up` says that the driver never answered."""

    call: Call
    outcomes: Sequence[Outcome]
    given_up: bool = False


class Calls:
    """The calls that run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count()
        self._running: dict[int, Call] = {}
        self._answers: SimpleQueue[tuple[int, Sequence[Outcome] | BaseException]] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._running)

    def queues(self) -> set[str]:
        return {call.queue for call in self._running.values()}

    def start(self, call: Call) -> None:
        number = next(self._numbers)
        self._running[number] = call
        try:
            Thread(target=self._carry_out, args=(number, call), daemon=True).start()
        except RuntimeError as error:  # the system has no more threads
            self._answers.put((number, error))

    def wait(self) -> list[Ended]:
        """Waits until a call ends or passes its limit; all that did by then."""
        ended: list[Ended] = []
        while self._running and not ended:
            ended = self._answered() or self._overdue()
        return ended

    def _carry_out(self, number: int, call: Call) -> None:
        try:
            answer: Sequence[Outcome] | BaseException = list(call.driver.execute(call.transitions))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it becomes the steps' error
            answer = error
        self._answers.put((number, answer))

    def _answered(self) -> list[Ended]:
        deadline = min(call.deadline for call in self._running.values())
        patience = None if deadline == float("inf") else max(0.0, deadline - self._clock.monotonic())
        ended: list[Ended] = []
        try:
            while True:
                number, answer = self._answers.get(timeout=0 if ended else patience)
                if call := self._running.pop(number, None):
                    ended.append(Ended(call, _outcomes(call, answer)))
        except Empty:
            return ended

    def _overdue(self) -> list[Ended]:
        now = self._clock.monotonic()
        late = [number for number, call in self._running.items() if call.deadline <= now]
        return [Ended(call, _timed_out(call), given_up=True) for call in map(self._running.pop, late)]


def _outcomes(call: Call, answer: Sequence[Outcome] | BaseException) -> Sequence[Outcome]:
    """What the driver answered; an exception in it fails all steps of the call."""
    if isinstance(answer, BaseException):
        fault = f"{type(answer).__name__}: {answer}"
    elif len(answer) == len(call.steps):
        return answer
    else:
        fault = "it answered for other components than it was asked about"
    return [Outcome(step.address, f"the {call.driver.name} driver has a bug: {fault}") for step in call.steps]


def _timed_out(call: Call) -> Sequence[Outcome]:
    limit = _in_words(call.limit)
    return [Outcome(step.address, f"{step.verb} did not end within {limit}") for step in call.steps]


def _in_words(seconds: float) -> str:
    """`1h30m`, `2m` or `0.5s`, as a schema would have it."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{amount:g}{unit}" for amount, unit in parts if amount)
