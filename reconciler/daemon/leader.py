"""Says whether this daemon leads those of its state: stands for election while another one does, renews the lease while
it leads itself, and knows by its own clock when that lease may have ended.

A leader that cannot reach the database leads until its lease is over and not longer, whatever the database thinks: so
two never act at once. The end is counted from before the renewal was sent, so it comes before the one that the database
knows. That holds while the process sleeps too, since the clock goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from reconciler.ports import StateError

POLL = 0.5
"""Seconds between two looks at another one's lease."""

_BEATS = 4
"""How often a lease is renewed within its length."""


class Election(Protocol):
    """What decides which daemon leads. All methods but `term` are called by one thread, and raise StateError."""

    @property
    def lease(self) -> float:
        """For how many seconds an election holds; infinite where it ends with the process only."""

    @property
    def term(self) -> int:
        """The number of the term in which this process leads. It changes where another one led in between."""

    def stand(self) -> str:
        """Leads for another lease from now on, and returns ""; or names who leads. Raises Invalid where waiting for it
        is in vain."""

    def resign(self) -> None:
        """Lets another one lead at once."""


class Leader:
    """`changed` is called when this process begins to lead (True) and when it stops (False), mostly in a thread of its
    own, and seconds late where the database does not answer; it returns soon. Who is about to act asks `leads`.

    `rival` names who leads instead, and `trouble` says why the election could not be asked the last time.
    """

    def __init__(
        self, election: Election, changed: Callable[[bool], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._election = election
        self._changed = changed
        self._clock = clock
        self._until = float("-inf")
        self._told: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)
        self.rival = ""
        self.trouble = ""

    def start(self) -> None:
        """Stands for election once, and goes on in a thread. Raises Invalid where another daemon excludes this one."""
        self.turn()
        if self._election.lease != float("inf"):
            self._thread.start()

    def stop(self) -> None:
        """Resigns, after the last turn has ended, so that another one can lead at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._election.lease)
        self._until = float("-inf")
        try:
            self._election.resign()
        except StateError as error:
            self.trouble = str(error)

    def leads(self) -> bool:
        """Whether this process leads at this moment. Costs next to nothing."""
        return self._clock() < self._until

    def turn(self) -> None:
        """Stands for election, once more."""
        began = self._clock()
        try:
            self.rival = self._election.stand()
            self.trouble = ""
            self._until = float("-inf") if self.rival else began + self._election.lease
        except StateError as error:
            self.trouble = str(error)
        self._tell()

    def _tell(self) -> None:
        term = self._election.term if self.leads() else None
        if term != self._told:
            self._told = term
            self._changed(term is not None)

    def _run(self) -> None:
        while not self._stop.wait(self._pause()):
            self.turn()

    def _pause(self) -> float:
        """Seconds to the next turn, which comes when the lease ends at the latest."""
        left = self._until - self._clock()
        return min(POLL, self._election.lease / _BEATS, left if left > 0 else POLL)
