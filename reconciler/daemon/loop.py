"""The loop of the daemon: waits for a reason to look, takes all that have come as one, and carries out a cycle.

It waits once, until something is told or until the next cycle is due, and does nothing meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from reconciler.daemon.due import Due
from reconciler.daemon.times import seconds_until
from reconciler.engine.executor import Stop
from reconciler.model.daemon import CycleReport, Trigger, Why
from reconciler.ports import Clock, Listen

_NEWER = frozenset({Why.FILES, Why.COMMIT, Why.NOTES, Why.RELOAD})
"""What ends a run at its next safe point, since it may ask for something else."""

_FIRST = 1.0
"""Seconds that a run is given before that: however fast commits come, each cycle gets something done."""

_MOST_TRIGGERS = 100
"""How many triggers, the newest ones, are kept for one cycle."""

_LATE = 30.0
"""Seconds by which the loop may come too late to its next turn before it counts as hung."""


class Cycles(Protocol):
    """What the loop turns."""

    due: Due

    def cycle(self, triggers: tuple[Trigger, ...], stop: Stop) -> CycleReport:
        """As daemon/reconcile.py has it."""


class Loop:
    """`leads` says whether this process may act; while it does not, triggers wait. Each of `listeners` is told of each
    cycle. `expect` is called with the seconds within which it will be called again; `stall` are those that a cycle may
    take between two safe points. The first cycle waits up to `patience` seconds for a feed to say what is asked for."""

    def __init__(
        self,
        cycles: Cycles,
        clock: Clock,
        listeners: Sequence[Listen] = (),
        leads: Callable[[], bool] = lambda: True,
        expect: Callable[[float], None] = lambda seconds: None,
        stall: float = 3600.0,
        patience: float = 0.0,
    ) -> None:
        self._cycles = cycles
        self._clock = clock
        self._listeners = listeners
        self._leads = leads
        self._expect = expect
        self._stall = stall
        self._first = patience
        # Its `put` may be called by a signal's handler, whatever this thread is doing.
        self._queue: SimpleQueue[Trigger | None] = SimpleQueue()
        self._stopped = False
        self._newer = False
        self._began = 0.0
        self.working = False
        """Whether a cycle is under way."""

    def tell(self, trigger: Trigger) -> None:
        """Takes a reason to look, from any thread or from a signal's handler."""
        if trigger.why in _NEWER:
            self._newer = True
        self._queue.put(trigger)

    def stop(self) -> None:
        """Ends the loop, and a run at its next safe point. May be called like `tell`."""
        self._stopped = True
        self._queue.put(None)

    def waiting(self) -> int:
        """How many triggers wait."""
        return self._queue.qsize()

    def run(self) -> None:
        """Turns until `stop`."""
        triggers = (Trigger(Why.START), *(self._wait(self._first) if self._first else ()))
        while not self._stopped:
            if self._leads():
                self._cycle(triggers)
                triggers = self._wait(self._patience()) or (Trigger(self._cycles.due.why),)
            else:
                triggers = (*triggers, *self._wait(None))[-_MOST_TRIGGERS:]

    def _cycle(self, triggers: tuple[Trigger, ...]) -> None:
        self._expect(self._stall)
        self._newer = False
        self._began = self._clock.monotonic()
        self.working = True
        report = self._cycles.cycle(triggers, self._yields)
        self.working = False
        for listen in self._listeners:
            listen(report)

    def _yields(self) -> bool:
        """Whether a run is to end now."""
        self._expect(self._stall)
        if self._stopped or not self._leads():
            return True
        return self._newer and self._clock.monotonic() - self._began > _FIRST

    def _patience(self) -> float | None:
        at = self._cycles.due.at
        return seconds_until(at, self._clock.now()) if at else None

    def _wait(self, patience: float | None) -> tuple[Trigger, ...]:
        """All that was told, once something is; nothing where that does not happen within `patience` seconds."""
        self._expect(_LATE + (float("inf") if patience is None else patience))
        told: list[Trigger] = []
        try:
            while True:
                trigger = self._queue.get(timeout=0 if told or self._stopped else patience)
                if trigger is not None:
                    told.append(trigger)
        except Empty:
            return tuple(told[-_MOST_TRIGGERS:])
