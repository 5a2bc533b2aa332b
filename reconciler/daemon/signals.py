"""What signals ask of the daemon: SIGTERM or SIGINT to end at the next safe point, SIGHUP to read its settings anew.

The system sends SIGHUP too when a terminal is closed. Then it asks to end.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

EXIT_HARD = 130
"""The exit code of a daemon that did not wait for a safe point. Each transaction of the state is whole, so nothing that
was recorded is lost, and the next daemon goes on from there."""


class Signals:
    """`stop` is set by the first signal to end. A second one, or `timeout` seconds, ends the process where it stands.

    `ending` and `reload` are called as the signal comes, between two instructions of the main thread, and return soon.
    """

    def __init__(self, timeout: float, ending: Callable[[], None], reload: Callable[[], None]) -> None:
        self.timeout = timeout
        self.stop = threading.Event()
        self._timer: threading.Timer | None = None
        self._terminals: tuple[int, ...] = ()
        self._ending = ending
        self._reload = reload

    def install(self) -> None:
        """To be called by the main thread. Nothing else may set handlers of these signals afterwards."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        self._terminals = _terminals()
        signal.signal(signal.SIGHUP, self._hang_up)

    def done(self) -> None:
        """The safe point was reached in time."""
        if self._timer is not None:
            self._timer.cancel()

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        if self._terminals == _terminals():
            self._reload()
        else:
            self._end(number, frame)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.stop.is_set():
            os._exit(EXIT_HARD)
        self.stop.set()
        self._timer = threading.Timer(self.timeout, os._exit, (EXIT_HARD,))
        self._timer.daemon = True
        self._timer.start()
        self._ending()


def _terminals() -> tuple[int, ...]:
    """The standard streams that are terminals: none is any more once it was closed."""
    return tuple(number for number in (0, 1, 2) if os.isatty(number))
