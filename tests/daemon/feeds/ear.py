"""Hears what a feed tells."""

from __future__ import annotations

from queue import Empty, Queue

from estate import SECONDS

from reconciler.model.daemon import Trigger


class Ear:
    """Give a feed its `tell`."""

    def __init__(self) -> None:
        self._heard: Queue[Trigger] = Queue()
        self.tell = self._heard.put

    def next(self, seconds: float = SECONDS) -> Trigger:
        return self._heard.get(timeout=seconds)

    def silent(self, seconds: float) -> bool:
        try:
            self._heard.get(timeout=seconds)
        except Empty:
            return True
        return False
