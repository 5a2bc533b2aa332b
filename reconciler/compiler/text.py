"""A file's text: decoded, held against what YAML may contain, and the way from libyaml's marks to locations."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from reconciler.model.diagnostics import Diagnostic, Invalid, Location, Pointer, Position, Span

MAX_BYTES = 2**20
MAX_DEPTH = 64
"""Collections inside each other. libyaml takes time quadratic in the depth of brackets, so nothing reads on beyond."""

MAX_SOURCE_LINE = 1000
"""Code points of a line that a location carries."""

MAX_FORBIDDEN = 10
"""Forbidden characters that are reported of one file."""

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]|\r(?!\n)"
)
"""What no text here may hold: C0 and C1 controls, line ends that only some programs see, marks that reorder text."""

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n"
_DOCUMENT_START = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_FORBIDDEN_HINTS = {"\0": "Remove it.", "\r": "End lines with a line feed (LF), or with CR LF."}
_START = Span(Position(1, 1, 0), Position(1, 1, 0))


class Mark(Protocol):
    """A place as libyaml tells it: all count from 0, in code points."""

    @property
    def index(self) -> int: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


@dataclass(frozen=True, slots=True)
class TextMark:
    """A mark made here."""

    index: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Text:
    """The text of `path`, or its rest from the line number `line` (from 1) and the byte number `byte` on."""

    path: str
    content: str
    line: int = 1
    byte: int = 0

    def location(self, start: Mark, end: Mark, document: int = 0, pointer: Pointer = ()) -> Location:
        span = Span(self._position(start), self._position(end))
        return Location(self.path, pointer, document, span, self.line_at(start)[:MAX_SOURCE_LINE])

    def line_at(self, mark: Mark) -> str:
        """The whole line on which `mark` stands, without its end."""
        start = mark.index - mark.column
        end = self.content.find("\n", start)
        return self.content[start : end if end >= 0 else None].removesuffix("\r")

    def mark(self, index: int) -> TextMark:
        """The mark of the code point number `index`."""
        line = self.content.count("\n", 0, index)
        return TextMark(index, line, index - self.content.rfind("\n", 0, index) - 1)

    def after(self, index: int) -> Text | None:
        """The rest of the text from the first document that starts at `index` or behind it, but not at 0."""
        match = _DOCUMENT_START.search(self.content, max(index, 1))
        if match is None:
            return None
        start = match.start()
        line = self.line + self.content.count("\n", 0, start)
        return Text(self.path, self.content[start:], line, self.byte + self._bytes(start))

    def _position(self, mark: Mark) -> Position:
        return Position(self.line + mark.line, mark.column + 1, self.byte + self._bytes(mark.index))

    def _bytes(self, index: int) -> int:
        return index if self.content.isascii() else len(self.content[:index].encode())


def decode(path: str, data: bytes) -> Text:
    """The text of a file, without its byte order mark. Raises Invalid for a file that is too large, not UTF-8, or
    holds forbidden characters."""
    _refuse_size(path, data)
    _refuse_other_encodings(path, data)
    try:
        content = data.decode()
    except UnicodeDecodeError as error:
        raise Invalid(_not_utf8(path, data, error)) from None
    text = Text(path, content[1:], byte=3) if content.startswith("\ufeff") else Text(path, content)
    if data.translate(None, _PRINTABLE) and (findings := _forbidden(text)):
        raise Invalid(*findings)
    return text


def _refuse_size(path: str, data: bytes) -> None:
    if len(data) > MAX_BYTES:
        summary = "This file is larger than 1 MiB"
        hint = "Split it into several files."
        raise Invalid(
            Diagnostic("yaml-size", summary, f"It holds {len(data):,} bytes.", hint, Location(path, span=_START))
        )


def _refuse_other_encodings(path: str, data: bytes) -> None:
    for bom, name in _OTHER_ENCODINGS.items():
        if data.startswith(bom):
            summary = f"This file is encoded in {name}"
            raise Invalid(Diagnostic("yaml-encoding", summary, "", "Save it as UTF-8.", Location(path, span=_START)))


def _not_utf8(path: str, data: bytes, error: UnicodeDecodeError) -> Diagnostic:
    before = data[: error.start].decode()
    text = Text(path, before + data[error.start :].decode(errors="replace"))
    start = text.mark(len(before))
    return Diagnostic(
        "yaml-encoding",
        "This file is not UTF-8",
        f"The byte 0x{data[error.start]:02x} (number {error.start}) belongs to no character.",
        "Save the file as UTF-8.",
        text.location(start, start),
    )


def _forbidden(text: Text) -> list[Diagnostic]:
    matches = islice(FORBIDDEN.finditer(text.content), MAX_FORBIDDEN)
    return [_forbidden_character(text, match) for match in matches]


def _forbidden_character(text: Text, match: re.Match[str]) -> Diagnostic:
    character = match[0]
    return Diagnostic(
        "yaml-control-character",
        f"The character U+{ord(character):04X} is not allowed here",
        "It is invisible, and programs disagree on what it does.",
        _FORBIDDEN_HINTS.get(character, f'Remove it, or write "\\u{ord(character):04x}" in double quotes.'),
        text.location(text.mark(match.start()), text.mark(match.end())),
    )
