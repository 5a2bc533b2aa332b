"""Lays results out as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from benchmarks.measure import Result

Grid: TypeAlias = Mapping[str, Mapping[int, str]]
"""Cells by row name and size."""


def costs(title: str, results: Sequence[Result]) -> str:
    """Seconds from start to end, seconds of processors, and peak memory of each task at each size."""
    return _table(title, _grid((r.name, r.size, f"{r.wall:.3f} s, {r.cpu:.3f} s, {r.peak:.0f} MiB") for r in results))


def ratios(title: str, ours: Sequence[Result], theirs: Sequence[Result]) -> str:
    """How many times longer `theirs` took than `ours`, where both have a task at a size."""
    walls = {(r.name, r.size): r.wall for r in ours}
    shared = (r for r in theirs if (r.name, r.size) in walls)
    return _table(title, _grid((r.name, r.size, f"{r.wall / walls[r.name, r.size]:.1f}x") for r in shared))


def growth(title: str, results: Sequence[Result]) -> str:
    """Microseconds of wall time a component: flat where cost grows with the work, falling where it grows slower."""
    return _table(title, _grid((r.name, r.size, f"{r.wall / r.size * 1e6:,.0f} us") for r in results))


def _grid(cells: Iterable[tuple[str, int, str]]) -> Grid:
    grid: dict[str, dict[int, str]] = {}
    for name, size, text in cells:
        grid.setdefault(name, {})[size] = text
    return grid


def _table(title: str, grid: Grid) -> str:
    if not grid:
        return ""
    sizes = sorted({size for row in grid.values() for size in row})
    lines = [
        f"### {title}\n",
        _line("components", (f"{size:,}" for size in sizes)),
        _line("---", ("---:" for _ in sizes)),
        *(_line(name, (row.get(size, "-") for size in sizes)) for name, row in grid.items()),
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"
