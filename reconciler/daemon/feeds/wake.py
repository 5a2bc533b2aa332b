"""Hears of commands that suspended or resumed something on this machine, so that nothing waits for the next look."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from reconciler.model.daemon import Trigger, Why

_FOLDER = ".ureg/wake"
_QUIET = 20
"""Milliseconds that the folder must be quiet."""

_END = 0.9


def wake(root: Path) -> None:
    """Wakes the daemons of the registry in `root`, if there are any on this machine."""
    with suppress(OSError):
        (root / _FOLDER / "call").touch()


class WakeFeed:
    """Satisfies ports.Feed for the registry in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._folder = root / _FOLDER
        self._stop = Event()
        self._thread: Thread | None = None

    def start(self, tell: Callable[[Trigger], None]) -> None:
        self._thread = Thread(target=self._run, args=(tell,), name="feed-wake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END)

    def _run(self, tell: Callable[[Trigger], None]) -> None:
        from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

        # Where this is not possible, the next look comes in time.
        with suppress(OSError, WatchfilesRustInternalError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with RustNotify([str(self._folder)], False, False, 0, False, True) as listener:
                while isinstance(listener.watch(_QUIET, _QUIET, 0, self._stop), set):
                    tell(Trigger(Why.NOTES, "something was suspended or resumed"))
