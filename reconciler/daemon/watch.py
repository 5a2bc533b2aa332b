"""Calls a cycle once at the start and again whenever files of the registry change, bursts of changes as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

Cycle = Callable[[tuple[str, ...]], None]
"""Plans or applies; gets the changed paths, relative to the root, sorted. It never raises."""

IGNORED = frozenset({".git", ".ureg", ".venv", "node_modules", "__pycache__"})


def watch(root: Path, cycle: Cycle, debounce: float, stop: Event, ignored: frozenset[str] = IGNORED) -> None:
    """Runs until `stop` is set. `debounce` is how long files must be quiet before a cycle, in seconds at most; a cycle
    that is running is never interrupted, and what changes meanwhile makes one more."""
    from watchfiles import watch as changes

    cycle(())
    step = max(int(debounce * 1000), 1)
    for batch in changes(
        root, debounce=step * 10, step=step, stop_event=stop, watch_filter=None, raise_interrupt=False
    ):
        paths = {Path(path).relative_to(root) for _, path in batch}
        relevant = sorted(path.as_posix() for path in paths if ignored.isdisjoint(path.parts))
        if relevant:
            cycle(tuple(relevant))
