"""Writes diagnostics in the shape of Terraform's, with our own facts under `ureg`."""

from __future__ import annotations

from typing import Any

from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Pointer, Position, Span, errors
from reconciler.render.diagnostics_text import in_order
from reconciler.render.json_text import dump

FORMAT_VERSION = "1.0"


def diagnostic_json(finding: Diagnostic) -> dict[str, Any]:
    value: dict[str, Any] = {
        "severity": finding.severity.value,
        "summary": finding.summary,
        "detail": finding.detail,
    }
    if finding.address:
        value["address"] = finding.address
    if finding.location:
        value |= _place(finding.location)
    value["ureg"] = {
        "code": finding.code,
        "hint": finding.hint,
        "json_pointer": json_pointer(finding.location.pointer) if finding.location else "",
        "related": [{"note": related.note, **_place(related.location)} for related in finding.related],
    }
    return value


def render_validation(diagnostics: Diagnostics) -> str:
    """The document that `validate -json` prints."""
    wrong = len(errors(diagnostics))
    value = {
        "format_version": FORMAT_VERSION,
        "valid": not wrong,
        "error_count": wrong,
        "warning_count": len(diagnostics) - wrong,
        "diagnostics": [diagnostic_json(finding) for finding in in_order(diagnostics)],
    }
    return dump(value, indent=True).decode()


def json_pointer(pointer: Pointer) -> str:
    """`pointer` as RFC 6901 writes it."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in pointer)


def _place(location: Location) -> dict[str, Any]:
    span = location.span or Span(Position(1, 1, 0), Position(1, 1, 0))
    place: dict[str, Any] = {
        "range": {"filename": location.path, "start": span.start._asdict(), "end": span.end._asdict()}
    }
    if location.span and location.source_line:
        place["snippet"] = _snippet(location.source_line, location.span)
    return place


def _snippet(line: str, span: Span) -> dict[str, Any]:
    """The source line; offsets count its bytes in UTF-8, as Terraform's do."""
    start = span.start.column - 1
    end = span.end.column - 1 if span.end.line == span.start.line else len(line)
    return {
        "context": None,
        "code": line,
        "start_line": span.start.line,
        "highlight_start_offset": _bytes(line[:start]),
        "highlight_end_offset": _bytes(line[: max(end, start)]),
        "values": [],
    }


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
