"""The call by which a command wakes the daemon."""

from __future__ import annotations

import time
from pathlib import Path
from queue import SimpleQueue

from reconciler.daemon.feeds.wake import WakeFeed, wake
from reconciler.model.daemon import Trigger, Why


def test_a_call_wakes_and_nothing_else_does(tmp_path: Path) -> None:
    told: SimpleQueue[Trigger] = SimpleQueue()
    feed = WakeFeed(tmp_path)
    feed.start(told.put)
    deadline = time.monotonic() + 5
    while told.empty():
        assert time.monotonic() < deadline
        wake(tmp_path)
        time.sleep(0.05)
    assert told.get() == Trigger(Why.NOTES, "something was suspended or resumed")
    time.sleep(0.2)
    while not told.empty():
        told.get()
    (tmp_path / ".ureg/state.db").write_text("written")
    time.sleep(0.2)
    assert told.empty()
    feed.stop()
    feed.stop()


def test_nobody_is_woken_where_no_daemon_is(tmp_path: Path) -> None:
    wake(tmp_path)
    assert list(tmp_path.iterdir()) == []
