"""Delivers notices to one receiver, in their order, in a thread of its own: the loop never waits for anybody.

What does not arrive is sent again, later and later, for at most an hour. The queue is bounded: when it is full the
oldest letter makes room. Nothing of it outlives the process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from enum import StrEnum
from threading import Condition, Thread
from time import monotonic
from typing import NamedTuple, TypeAlias

from reconciler.daemon.notify.letter import Letter, Send, Undelivered
from reconciler.model.daemon import Notice, NoticeKind

CAPACITY = 1_000
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_GIVES_UP_AFTER = 3_600.0


class Result(StrEnum):
    DELIVERED = "delivered"
    RETRIED = "retried"
    DROPPED = "dropped"


class Attempt(NamedTuple):
    """What came of an attempt to deliver a notice to `target`; `error` is "" for a success."""

    target: str
    notice: Notice
    result: Result
    error: str = ""


Tell: TypeAlias = "Callable[[Attempt], None]"
"""Takes what came of each attempt, from any thread. Never raises."""


class Courier:
    """A Notifier for the notices of some kinds. `source` names the registry, `now` gives the time of day in RFC 3339,
    `first_wait` is the first wait before a letter is sent again, in seconds."""

    def __init__(
        self,
        target: str,
        send: Send,
        kinds: Collection[NoticeKind],
        source: str,
        now: Callable[[], str],
        tell: Tell,
        first_wait: float = _FIRST_WAIT,
    ) -> None:
        self.target = target
        self._send = send
        self._kinds = kinds
        self._source = source
        self._now = now
        self._tell = tell
        self._first_wait = first_wait
        self._queue: deque[tuple[Letter, float]] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread: Thread | None = None

    def tell(self, notice: Notice) -> None:
        if notice.kind not in self._kinds:
            return
        letter = Letter(notice, self._now(), self._source)
        with self._changed:
            dropped = self._queue.popleft()[0] if len(self._queue) >= CAPACITY else None
            self._queue.append((letter, monotonic()))
            if self._thread is None:
                self._thread = Thread(target=self._work, name=f"notify {self.target}", daemon=True)
                self._thread.start()
            self._changed.notify()
        if dropped:
            self._report(dropped, Result.DROPPED, "too many notices wait for this receiver")

    def waiting(self) -> int:
        """How many notices wait."""
        return len(self._queue)

    def hurry(self) -> None:
        """From now on each letter gets one attempt. Returns at once."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Tries what still waits once more, in at most `timeout` seconds."""
        self.hurry()
        if self._thread is not None:
            self._thread.join(timeout)

    def _work(self) -> None:
        while (head := self._next()) is not None:
            letter, since = head
            wait = self._first_wait
            while (again := self._deliver(letter, since)) is not None:
                self._rest(max(wait, again))
                wait = min(wait * 2, _LONGEST_WAIT)

    def _next(self) -> tuple[Letter, float] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            return self._queue.popleft() if self._queue else None

    def _deliver(self, letter: Letter, since: float) -> float | None:
        """None where the letter is done with, else how long to wait at least."""
        try:
            self._send(letter)
        except Undelivered as error:
            last = self._closing or monotonic() - since > _GIVES_UP_AFTER
            if error.again and not last:
                self._report(letter, Result.RETRIED, str(error))
                return error.after
            self._report(letter, Result.DROPPED, str(error))
        else:
            self._report(letter, Result.DELIVERED)
        return None

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)

    def _report(self, letter: Letter, result: Result, error: str = "") -> None:
        self._tell(Attempt(self.target, letter.notice, result, error))
