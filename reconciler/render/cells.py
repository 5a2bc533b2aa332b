"""Measures text in the cells of a terminal: East Asian wide characters take two, combining ones none."""

from __future__ import annotations

import unicodedata

_NO_CELL = {"Mn", "Me", "Cf"}


def width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_cells, text))


def pad(text: str, cells: int) -> str:
    return text + " " * (cells - width(text))


def cut(text: str, cells: int) -> str:
    """`text`, or as much of its beginning as fits into `cells` together with an ellipsis."""
    if width(text) <= cells:
        return text
    if text.isascii():
        return f"{text[: max(cells - 1, 0)]}…"
    room = cells - 1
    for end, character in enumerate(text):
        room -= _cells(character)
        if room < 0:
            return f"{text[:end]}…"
    return text


def wrap(text: str, cells: int) -> list[str]:
    """`text` in lines of at most `cells`, broken at spaces; a longer word has a line of its own."""
    lines: list[str] = []
    line, *words = text.split(" ")
    used = width(line)
    for word in words:
        size = width(word)
        if used + 1 + size > cells:
            lines.append(line)
            line, used = word, size
        else:
            line, used = f"{line} {word}", used + 1 + size
    return [*lines, line]


def _cells(character: str) -> int:
    if unicodedata.category(character) in _NO_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
