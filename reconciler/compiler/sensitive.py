"""Keeps secrets out of diagnostics: finds sensitive places, refuses values there, and hides their source lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.compiler.annotations import along, children
from reconciler.compiler.finding import Finding, dotted
from reconciler.compiler.locate import locate
from reconciler.compiler.veil import REFERENCE
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Pointer
from reconciler.model.kind import Field

_KEY_ALONE = re.compile(r"[\s-]*\Z")
_HARMLESS = re.compile(r"""\s*(?:["']?(?:apiVersion|kind|metadata)["']?\s*:[^{}\[\],]*|[\w-]+\s*:\s*(?:#.*)?)\Z""")
"""A line that can hold no secret, whatever the kind: a key of every manifest with a plain value, or a key alone."""


def sensitive_places(field: Field, value: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, Any]]:
    """The topmost sensitive places of the document `value`, with what is there."""
    if field.sensitive:
        yield pointer, value
        return
    for token, item, below in children(field, value):
        yield from sensitive_places(below, item, (*pointer, token))


def is_secret_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {REFERENCE}


def leaks(field: Field, value: Any) -> bool:
    """Whether a sensitive place holds anything but a reference to a secret."""
    return any(not is_secret_reference(held) for _, held in sensitive_places(field, value))


def root_of_secret(field: Field, pointer: Pointer) -> Pointer | None:
    """The topmost sensitive place at or above `pointer`; None where there is none."""
    for depth, above in enumerate(along(field, pointer)):
        if above.sensitive:
            return pointer[:depth]
    return None


def secret_finding(pointer: Pointer, description: str) -> Finding:
    return Finding(
        code="sensitive-value",
        summary=f'"{dotted(pointer)}" is sensitive and must be a reference to a secret.',
        pointer=pointer,
        hint="Keep the value in a secret store and write {secretRef: ...} here. A value that was committed is known: "
        "change it.",
        detail=description,
        on_key=True,
    )


def conceal(diagnostics: Diagnostics, hidden: Iterable[Pointer], path: str, document: int, data: bytes) -> Diagnostics:
    """The diagnostics without the source lines on which a value at one of the places `hidden` stands.

    A key that stands alone before its value is still shown.
    """
    lines: set[int] = set()
    for pointer in hidden:
        for on_key in (False, True):
            span = locate(Location(path, pointer, document), data, key=on_key).span
            lines.update(range(span.start.line, span.end.line + 1) if span else ())
    return tuple(_concealed(diagnostic, lines) for diagnostic in diagnostics)


def conceal_unknown(diagnostic: Diagnostic) -> Diagnostic:
    """The diagnostic without its source line if that could hold a secret: of a document whose kind is not known nobody
    can say what in it is one."""
    location = diagnostic.location
    if location is None or _HARMLESS.match(location.source_line):
        return diagnostic
    return diagnostic._replace(location=location._replace(source_line=""))


def _concealed(diagnostic: Diagnostic, lines: set[int]) -> Diagnostic:
    location = diagnostic.location
    if location is None or location.span is None or location.span.start.line not in lines:
        return diagnostic
    start, end = (position.column - 1 for position in location.span)
    line = location.source_line
    is_key = _KEY_ALONE.match(line[:start]) and re.match(r"\s*:", line[end:])
    shown = f"{line[:end]}: …" if is_key and location.span.start.line == location.span.end.line else ""
    return diagnostic._replace(location=location._replace(source_line=shown))
