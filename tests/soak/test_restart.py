"""A daemon that starts after a crash goes on with what the one before had begun, also when its source is gone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from soak.desired import Desired
from soak.estate import Estate


def test_what_was_begun_is_not_undone(place: Path) -> None:
    estate = Estate(place, Desired(3, "1", 0))
    daemon = estate.daemon()
    try:
        estate.begin()
        estate.await_calm(60)
        estate.order(hang=["thing/new install"])
        estate.push(estate.desired.add("thing/new"))
        _await(lambda: "install" in _verbs(estate))
        daemon.signal(signal.SIGKILL)
        daemon.process.wait()
        estate.order()
        (place / "bare").rename(place / "gone")
        (place / "bare").mkdir()
        daemon = estate.daemon()
        estate.await_calm(30)
        assert _verbs(estate) == ["register", "install", "install", "start"]
        assert daemon.end() == 0
    finally:
        daemon.process.kill()
        daemon.process.wait()


def _verbs(estate: Estate) -> list[str]:
    return [call["verb"] for call in estate.calls("call") if call["address"] == "thing/new"]


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
