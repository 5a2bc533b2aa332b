"""Plain tables: columns without borders, as wide as their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.render.cells import cut, pad, width
from reconciler.render.escape import escape
from reconciler.render.style import Style

_GAP = "  "
_NARROWEST = 8


def render_table(headers: Sequence[str], rows: Iterable[Sequence[str]], style: Style, columns: int = 0) -> str:
    """A table that ends in a line end. With `columns` (the terminal's width) the last column is cut to fit."""
    cells = [[escape(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(headers, *cells, strict=True)]
    if columns:
        taken = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        widths[-1] = min(widths[-1], max(columns - taken, _NARROWEST))
    head = style.bold(_line(headers, widths))
    return "\n".join((head, *(_line(row, widths) for row in cells), ""))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    *first, last = row
    padded = (pad(cell, size) for cell, size in zip(first, widths, strict=False))
    return _GAP.join((*padded, cut(last, widths[-1]))).rstrip()
