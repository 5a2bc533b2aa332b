"""Knows whether the loop of the daemon is alive: whether it said, within the time that it gave itself, that it goes
on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pulse:
    """Safe to use from any thread. A new one expects the first sign within `seconds`."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.expect(seconds)

    def expect(self, seconds: float) -> None:
        """The loop is alive, and will say so again within so many seconds."""
        self._deadline = self._clock() + seconds

    def alive(self) -> bool:
        return self._clock() <= self._deadline


class Heartbeat:
    """Calls `beat` every `seconds`, in a thread of its own, for as long as the loop is alive; never where that is 0."""

    def __init__(self, pulse: Pulse, beat: Callable[[], None], seconds: float) -> None:
        self._pulse = pulse
        self._beat = beat
        self._seconds = seconds
        self._stop = threading.Event()

    def start(self) -> None:
        if self._seconds:
            threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            if self._pulse.alive():
                self._beat()
