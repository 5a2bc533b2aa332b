"""What is wrong with the input, as facts. The sentence a person reads is laid out by the renderers."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

Pointer: TypeAlias = tuple[str | int, ...]
"""The way from a document's root to one of its nodes: keys and list indexes (RFC 6901, unescaped)."""


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Position(NamedTuple):
    """A place in a text file: `line` and `column` count from 1 (code points), `byte` from 0."""

    line: int
    column: int
    byte: int


class Span(NamedTuple):
    """From `start` up to, not including, `end`."""

    start: Position
    end: Position


class Location(NamedTuple):
    """Where in the repository something stands.

    `path` is relative to the registry's root. `pointer` names a node of the file's document number `document`
    (from 0). `span` and `source_line` (the whole line on which the span starts, without its end) are filled where
    the text was at hand.
    """

    path: str
    pointer: Pointer = ()
    document: int = 0
    span: Span | None = None
    source_line: str = ""

    def __str__(self) -> str:
        if self.span is None:
            return self.path
        return f"{self.path}:{self.span.start.line}:{self.span.start.column}"


class Related(NamedTuple):
    """A second place that belongs to a diagnostic, with what stands there ("first defined here")."""

    note: str
    location: Location


class Diagnostic(NamedTuple):
    """One finding: what (`summary`, `detail`), where (`location`, `related`) and what to do (`hint`).

    `code` is a stable kebab-case name ("duplicate-key"). No field ever holds the value of a sensitive property.
    Texts may hold what a stranger wrote: renderers escape them.
    """

    code: str
    summary: str
    detail: str = ""
    hint: str = ""
    location: Location | None = None
    related: tuple[Related, ...] = ()
    address: str = ""
    severity: Severity = Severity.ERROR


Diagnostics: TypeAlias = tuple[Diagnostic, ...]


class Invalid(Exception):
    """Raised where an operation cannot go on because its input is wrong; carries every finding."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*(d.summary for d in diagnostics))
        self.diagnostics: Diagnostics = diagnostics


def errors(diagnostics: Diagnostics) -> Diagnostics:
    return tuple(d for d in diagnostics if d.severity is Severity.ERROR)
