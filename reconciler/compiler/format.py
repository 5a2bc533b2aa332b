"""Formats YAML: indentation and spacing are made uniform; comments, quotes, order and meaning stay as they are."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import Any

from reconciler.compiler.parse import parse
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Severity, errors

_PASSES = 4
"""A comment that moves in one pass can let another one move in the next; more than this is not seen in practice."""

_MARKER = re.compile(r"^((?:---|\.\.\.)(?=\s|\Z)[^\n]*\n?)", re.MULTILINE)
"""A line between documents. YAML lets no value hold one, so that a text can be taken apart at these."""

_BARE_MARKER = re.compile(r"(---|\.\.\.)\s*(#.*)?")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*", re.MULTILINE)


def format_yaml(path: str, data: bytes) -> tuple[bytes, Diagnostics]:
    """`data` in the one format, or as it is where it has errors or cannot be formatted without changing its meaning or
    losing a comment."""
    documents, diagnostics = parse(path, data)
    if errors(diagnostics):
        return data, diagnostics
    if not documents:
        return data, ()
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    formatted = _settle(text)
    if formatted is None or not _same(formatted, [document.value for document in documents]):
        return data, (_refused(path, "A file cannot be formatted without changing what it means"),)
    lost = _comments(text) - _comments(formatted)
    if lost:
        hint = "Move the comment out of the brackets or the value that it stands in."
        return data, (
            _refused(path, f"A file cannot be formatted without losing its comment {next(iter(lost))!r}", hint),
        )
    return formatted.encode(), ()


def _settle(text: str) -> str | None:
    """The text that formatting leaves as it is; None where there is none to be found."""
    for _ in range(_PASSES):
        again = _format(text)
        if again is None or again == text:
            return again
        text = again
    return None


def _format(text: str) -> str | None:
    """Each document by itself: what stands before, between and behind them would get lost otherwise."""
    parts = []
    for part in _MARKER.split(text):
        if _MARKER.match(part):
            if not _BARE_MARKER.fullmatch(part.rstrip()):
                return None
            formatted: str | None = part.rstrip() + "\n"
        elif _holds_no_value(part):
            formatted = _trimmed(part)
        else:
            formatted = _format_document(part)
        if formatted is None:
            return None
        parts.append(formatted)
    return "".join(parts)


def _holds_no_value(text: str) -> bool:
    return all(not line.strip() or line.lstrip().startswith("#") or line[0] == "%" for line in text.split("\n"))


def _format_document(text: str) -> str | None:
    from ruamel.yaml.error import YAMLError

    yaml = _writer()
    written = io.StringIO()
    try:
        document = yaml.load(text)
        _mark_nulls(document)
        yaml.dump(document, written)
    except (YAMLError, ValueError, RecursionError):
        return None
    return _trimmed(written.getvalue())


def _trimmed(text: str) -> str:
    """`text` without blank lines at its end and spaces on blank lines."""
    lines = (line.rstrip() if not line.strip() else line for line in text.split("\n"))
    whole = "\n".join(lines).rstrip("\n")
    return f"{whole}\n" if whole else ""


def _writer() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.emitter import RoundTripEmitter

    class TightEmitter(RoundTripEmitter):
        """Writes a list's items right behind the dash of the list that it is in."""

        def expect_block_sequence_item(self, first: bool = False) -> None:
            tight = self.indents.seq_seq() or len(self.indents) == 1
            self.sequence_dash_offset, self.best_sequence_indent = (0, 2) if tight else (2, 4)
            super().expect_block_sequence_item(first)

    yaml = YAML()
    yaml.Emitter = TightEmitter
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(_Null, _write_null)
    return yaml


class _Null:
    """A null in a list, which would be written as nothing at all."""


def _write_null(representer: Any, _: _Null) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _mark_nulls(value: Any) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _mark_nulls(item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if item is None:
                value[index] = _Null()
            else:
                _mark_nulls(item)


def _same(text: str, values: list[Any]) -> bool:
    documents, diagnostics = parse("", text.encode())
    return not errors(diagnostics) and [document.value for document in documents] == values


def _comments(text: str) -> Counter[str]:
    """What looks like a comment, line by line. Text of a value may look like one; that is kept as well."""
    return Counter(match.group().rstrip() for match in _COMMENT.finditer(text))


def _refused(path: str, summary: str, hint: str = "") -> Diagnostic:
    detail = "It stays as it is."
    return Diagnostic("format-refused", summary, detail, hint, Location(path), severity=Severity.WARNING)
