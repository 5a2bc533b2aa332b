"""The first Ctrl-C asks a run to end after the steps that are running, the second ends the program at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from reconciler.engine.executor import Stop

_FIRST = "Interrupt received: waiting for what runs now to end. Interrupt again to stop at once.\n"
_SECOND = "Stopped at once. What was running is noted in the state; the next plan goes on from there.\n"


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Gives a function that says whether SIGINT or SIGTERM came. Each transaction of the state is whole, so that a
    program that ends between two of them loses nothing that was recorded."""
    received: list[int] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        if len(received) > 1:
            _say(_SECOND)
            os._exit(130)
        say_that_it_ends()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_that_it_ends() -> None:
    """Tells that what runs now is waited for. May be called by a signal's handler."""
    _say(_FIRST)


def _say(text: str) -> None:
    start = "\r\x1b[K" if sys.stderr.isatty() else "\n"
    os.write(sys.stderr.fileno(), (start + text).encode())
