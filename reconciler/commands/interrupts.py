"""The first Ctrl-C asks a run to end after the steps that are running, the second ends the program at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

from reconciler.engine.executor import Stop

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None

_FIRST = "Interrupt received: waiting for what runs now to end. Interrupt again to stop at once.\n"
_SECOND = "Stopped at once. What was running is noted in the state; the next plan goes on from there.\n"


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Gives a function that says whether SIGINT or SIGTERM came. Each transaction of the state is whole, so that a
    program that ends between two of them loses nothing that was recorded."""
    received: list[int] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        start = "\r\x1b[K" if sys.stderr.isatty() else "\n"
        os.write(sys.stderr.fileno(), (start + (_FIRST if len(received) == 1 else _SECOND)).encode())
        if len(received) > 1:
            os._exit(130)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _hand_on(received, before)


def _hand_on(received: list[int], handlers: Mapping[signal.Signals, Handler]) -> None:
    """Tells the handler from before, if the program set one, what came meanwhile: `watch` is to end too."""
    for number in received:
        handler = handlers[signal.Signals(number)]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(number, None)
