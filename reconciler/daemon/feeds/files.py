"""Watches the files below a folder, bursts of changes as one, and passes over what editors and programs keep there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from reconciler.model.daemon import Trigger, Why

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

FOLDERS = frozenset({".git", ".ureg", ".venv", "node_modules", "__pycache__"})
"""Folders of whose files nobody asks, wherever they are."""

_TEMPORARY = re.compile(
    r".*~|\#.*\#|\.\#.*|\..*\.sw[a-z]|\..*\.kate-swp|\.goutputstream-.*|.*___jb_(?:tmp|old|bak)___|.*\.(?:tmp|swp|part|bak|orig)"
    r"|sed[A-Za-z0-9]{6}|4913|5036"
)
"""What vim, Emacs, nano, Kate, GNOME's and JetBrains' editors, sed and others write on the way. The numbers are files
by which vim finds out whether it may write."""

_MOST_SPELLS = 10
"""How many quiet spells a burst of changes is waited for at the most."""
_LOOKS = 2
"""How often within a quiet spell the watcher looks for changes."""

_AGAIN = 5.0
_END = 0.9


class FilesFeed:
    """Satisfies ports.Feed for the folder `root`, an absolute path without links.

    `debounce` is how long files must be quiet, in seconds. `ignored` are paths from the root whose files are ours: the
    state, and what drivers render.
    """

    def __init__(self, root: Path, debounce: float, ignored: Iterable[str] = ()) -> None:
        self._root = root
        self._spell = max(int(debounce * 1000), 1)
        self._step = max(self._spell // _LOOKS, 1)
        self._ignored = tuple(PurePath(path) for path in ignored)
        self._stop = Event()
        self._thread: Thread | None = None

    def start(self, tell: Callable[[Trigger], None]) -> None:
        listener = self._listen(tell)
        self._thread = Thread(target=self._run, args=(tell, listener), name="feed-files", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END)

    def _run(self, tell: Callable[[Trigger], None], listener: RustNotify | None) -> None:
        while not self._stop.is_set():
            if listener is not None:
                self._follow(listener, tell)
            self._stop.wait(_AGAIN if listener is None else self._spell / 1000)
            listener = None if self._stop.is_set() else self._listen(tell)
            if listener is not None:
                tell(Trigger(Why.FILES, "the files are watched anew"))

    def _follow(self, listener: RustNotify, tell: Callable[[Trigger], None]) -> None:
        """Tells of changes until the end, or until what is listened to is gone or has failed."""
        from watchfiles._rust_notify import WatchfilesRustInternalError

        with listener, suppress(OSError, WatchfilesRustInternalError):  # such as a name that is no text
            while changes := self._burst(listener):
                if relevant := self._relevant(path for _, path in changes):
                    tell(Trigger(Why.FILES, _detail(relevant)))
                if not self._root.is_dir():
                    return

    def _burst(self, listener: RustNotify) -> set[tuple[int, str]]:
        """The next changes, once there were none for a quiet spell; nothing at the end."""
        longest, quiet = self._spell * _MOST_SPELLS, max(self._spell - self._step, 1)
        burst: set[tuple[int, str]] = set()
        changes = listener.watch(longest, self._step, 0, self._stop)
        deadline = monotonic() + longest / 1000
        while isinstance(changes, set):
            burst |= changes
            if monotonic() > deadline:
                break
            changes = listener.watch(longest, self._step, quiet, self._stop)
        return burst

    def _listen(self, tell: Callable[[Trigger], None]) -> RustNotify | None:
        from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

        # The iterator on top of this begins to listen too late: what changed during the first cycle would be lost.
        try:
            self._root.stat()
            return RustNotify([str(self._root)], False, False, 0, True, True)
        except (OSError, WatchfilesRustInternalError) as error:
            tell(Trigger(Why.SOURCE, str(self._root), trouble=f"{self._root} cannot be watched: {error}"))
            return None

    def _relevant(self, paths: Iterable[str]) -> list[str]:
        below = (Path(path).relative_to(self._root) for path in paths)
        return sorted(path.as_posix() for path in below if path.parts and not self._is_ours(path))

    def _is_ours(self, path: PurePath) -> bool:
        ours = any(path.is_relative_to(folder) for folder in self._ignored)
        return ours or is_temporary(path)


def is_temporary(path: PurePath) -> bool:
    """Whether a path from the root is none that a registry is made of: a file that an editor keeps for a moment, or one
    in a folder of git's or of other programs."""
    return not FOLDERS.isdisjoint(path.parts) or _TEMPORARY.fullmatch(path.name) is not None


def _detail(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more} changed"
