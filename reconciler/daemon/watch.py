"""Calls a cycle once at the start and again whenever files of the registry change, bursts of changes as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

Cycle = Callable[[tuple[str, ...]], None]
"""Plans or applies; gets the changed paths, relative to the root, sorted. It never raises."""

IGNORED = frozenset({".git", ".ureg", ".venv", "node_modules", "__pycache__"})

_MOST_STEPS = 10
"""How many quiet spells a burst of changes is waited for at the most."""


def watch(root: Path, cycle: Cycle, debounce: float, stop: Event, ignored: frozenset[str] = IGNORED) -> None:
    """Runs until `stop` is set. `debounce` is how long files must be quiet before a cycle, in seconds. A cycle that is
    running is never interrupted, and what changes meanwhile makes one more."""
    # The iterator on top of this begins to listen too late: what changed during the first cycle would be lost.
    from watchfiles._rust_notify import RustNotify

    step = max(int(debounce * 1000), 1)
    with RustNotify([str(root)], False, False, 0, True, True) as listener:
        cycle(())
        while isinstance(changes := listener.watch(step * _MOST_STEPS, step, 0, stop), set):
            paths = {Path(path).relative_to(root) for _, path in changes}
            relevant = sorted(path.as_posix() for path in paths if ignored.isdisjoint(path.parts))
            if relevant:
                cycle(tuple(relevant))
