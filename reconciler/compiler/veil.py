"""Finds the lines of a file that may hold a secret by their keys and indentation alone, and keeps them out of
diagnostics: also where the file cannot be parsed, or a secret stands where nothing sensitive is expected.

It rather hides a line too many than one too few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location
from reconciler.model.kind import Catalogue, Field

REFERENCE = "secretRef"
"""The key of a reference to a secret."""

_PLACE = r"""["']?(env:\w+|file:[^\s"'{},\[\]]+|sops:[^\s"'{},\[\]#]+\#[\w.-]+)["']?"""
_ONLY_A_REFERENCE = re.compile(
    rf"""\s*(-\s+)?(["']?[\w.-]+["']?\s*:\s*)?\{{?\s*["']?{REFERENCE}["']?\s*:\s*{_PLACE}\s*\}}?\s*"""
)
_TAG = "Quote the value if a text that starts with ! or * is meant."
_SILENT = {
    "yaml-tag": ("A tag that stands here is not supported", _TAG),
    "yaml-alias": ("An alias that stands here cannot be used", _TAG),
}
"""Other words for the findings that repeat a value's text: summary and hint."""


def sensitive_names(catalogue: Catalogue) -> frozenset[str]:
    """The keys below which a manifest of any kind may hold something sensitive."""
    named = (name for kind in catalogue.kinds.values() for name in _names(kind.fields, ""))
    return frozenset(filter(None, named)) | {REFERENCE}


def _names(field: Field, name: str) -> Iterator[str]:
    if field.sensitive:
        yield name
    for below, child in field.properties.items():
        yield from _names(child, below)
    for other in (field.items, field.additional):
        if other is not None:
            yield from _names(other, name)


def secret_lines(lines: Sequence[str], names: frozenset[str]) -> frozenset[int]:
    """The numbers (from 0) of the lines that may hold a secret: those of the keys `names` and those below them. A line
    that holds a reference and nothing else is none of them."""
    words = "|".join(re.escape(name.removesuffix("s")) for name in sorted(names))
    key = re.compile(rf"(?<![\w.-])({words})s?[\"']?\s*:", re.IGNORECASE)
    found: set[int] = set()
    block: _Block | None = None
    for number, line in enumerate(lines):
        text = line.expandtabs().rstrip()
        if not text:
            continue
        if re.match(r"---(\s|\Z)", text):
            block = None
        inside = block is not None and block.takes(text)
        if not inside:
            match = key.search(text)
            block = _Block(match.start(), text[match.end() :].strip()) if match else None
        if block is not None and (inside or not block.empty) and not _ONLY_A_REFERENCE.fullmatch(text):
            found.add(number)
    return frozenset(found)


class _Block:
    """What stands below one key, which starts in `column`; `rest` is what follows it on its line."""

    def __init__(self, column: int, rest: str) -> None:
        self.empty = not rest or rest.startswith("#")
        self._indentation = column + 1
        self._brackets = 0
        self._quotes = {'"': False, "'": False}
        self._read(rest)

    def takes(self, text: str) -> bool:
        """Whether the next line still belongs to the block."""
        indentation = len(text) - len(text.lstrip())
        if self.empty and indentation == self._indentation - 1:
            self._indentation = indentation  # a list may stand there; anything else is indented wrongly
        self.empty = False
        inside = indentation >= self._indentation or self._brackets > 0 or any(self._quotes.values())
        if inside:
            self._read(text)
        return inside

    def _read(self, text: str) -> None:
        opened, closed = (sum(map(text.count, signs)) for signs in ("{[", "}]"))
        self._brackets = max(self._brackets + opened - closed, 0)
        for quote, is_open in self._quotes.items():
            self._quotes[quote] = is_open ^ (text.count(quote) % 2 == 1)


def veil(diagnostics: Diagnostics, data: bytes, names: frozenset[str]) -> Diagnostics:
    """The diagnostics about a file with the content `data`, without the lines that may hold a secret."""
    if not diagnostics:
        return ()
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    hidden = secret_lines(lines, names)
    return tuple(_veiled(diagnostic, lines, hidden) for diagnostic in diagnostics) if hidden else diagnostics


def _veiled(diagnostic: Diagnostic, lines: Sequence[str], hidden: frozenset[int]) -> Diagnostic:
    related = tuple(
        other._replace(location=_bare(other.location)) if _is_hidden(other.location, lines, hidden) else other
        for other in diagnostic.related
    )
    location = diagnostic.location
    if location is None or not _is_hidden(location, lines, hidden):
        return diagnostic._replace(related=related)
    summary, hint = _SILENT.get(diagnostic.code, (diagnostic.summary, diagnostic.hint))
    detail = "" if diagnostic.code in _SILENT else diagnostic.detail
    return diagnostic._replace(summary=summary, detail=detail, hint=hint, location=_bare(location), related=related)


def _bare(location: Location) -> Location:
    return location._replace(source_line="")


def _is_hidden(location: Location, lines: Sequence[str], hidden: frozenset[int]) -> bool:
    """Whether the location shows a hidden line. One of which only a part is shown was looked after already."""
    if location.span is None or location.span.start.line - 1 not in hidden:
        return False
    return bool(location.source_line) and lines[location.span.start.line - 1].startswith(location.source_line)
