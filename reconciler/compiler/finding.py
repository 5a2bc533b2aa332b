"""A finding: something wrong at a place of a document, before that place is looked up in the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.compiler.locate import locate
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Pointer, Position, Span

_NAME_LIMIT = 60


class Finding(NamedTuple):
    """`on_key` puts it on the key at `pointer`, not on the value there."""

    code: str
    summary: str
    pointer: Pointer = ()
    hint: str = ""
    detail: str = ""
    on_key: bool = False


def place(finding: Finding, path: str, data: bytes, document: int = 0, address: str = "") -> Diagnostic:
    """The finding as a diagnostic about document number `document` of the file `path` with the bytes `data`."""
    location = locate(Location(path, finding.pointer, document), data, key=finding.on_key)
    return Diagnostic(finding.code, finding.summary, finding.detail, finding.hint, location, address=address)


def place_all(findings: Iterable[Finding], path: str, data: bytes, document: int = 0, address: str = "") -> Diagnostics:
    """All findings as diagnostics, in the order of their places."""
    placed = (place(finding, path, data, document, address) for finding in findings)
    return tuple(sorted(placed, key=_position))


def _position(diagnostic: Diagnostic) -> int:
    location = diagnostic.location
    return location.span.start.byte if location and location.span else 0


def dotted(pointer: Pointer) -> str:
    """The pointer as people write it: spec.ports[0].name."""
    text = ""
    for token in pointer:
        text += f"[{token}]" if isinstance(token, int) else f".{clip(token)}"
    return text.removeprefix(".")


def clip(text: str) -> str:
    return text if len(text) <= _NAME_LIMIT else text[: _NAME_LIMIT - 1] + "…"


def at_offset(path: str, data: bytes, byte: int) -> Location:
    """The place of the byte number `byte` of a file that is not well-formed."""
    start = data.rfind(b"\n", 0, byte) + 1
    end = data.find(b"\n", byte)
    line = data[start : end if end >= 0 else len(data)].decode("utf-8", "replace").rstrip("\r")
    column = len(data[start:byte].decode("utf-8", "replace")) + 1
    position = Position(data.count(b"\n", 0, byte) + 1, column, byte)
    return Location(path, span=Span(position, position), source_line=line)
