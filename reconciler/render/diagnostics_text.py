"""Shows diagnostics to a person: what, where with the line and a mark under the place, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Severity, Span, errors
from reconciler.render.cells import width, wrap
from reconciler.render.escape import escape, escape_lines
from reconciler.render.style import Style

_COLUMNS = 100
_NARROWEST = 20
_MARGIN = 9
"""How many columns stand before a source line, with room for one ellipsis."""
_TAB = "    "


def render_diagnostics(diagnostics: Diagnostics, style: Style, compact_warnings: bool = False, columns: int = 0) -> str:
    """All of them, by place, warnings first so that the errors stay in sight; "" for none.

    With `compact_warnings` a warning is one line. `columns` is the width of the terminal, 0 where there is none: then
    a summary stays on one line, for those who search in a log.
    """
    ordered = in_order(diagnostics)
    compact = [finding for finding in ordered if compact_warnings and finding.severity is Severity.WARNING]
    room = min(columns - 2, _COLUMNS) if columns else 0
    boxes = [
        _box(finding, style, room) for finding in ordered if not (compact and finding.severity is Severity.WARNING)
    ]
    parts = [_compact(compact, style)] if compact else []
    parts += ["\n".join(boxes)] if boxes else []
    if len(ordered) > 1:
        parts.append(style.bold(count(diagnostics)))
    return "\n\n".join(parts) + "\n" if parts else ""


def in_order(diagnostics: Diagnostics) -> list[Diagnostic]:
    return sorted(diagnostics, key=_place)


def count(diagnostics: Diagnostics) -> str:
    """How many there are, as "2 errors and 1 warning"."""
    wrong = len(errors(diagnostics))
    numbers = ((wrong, "error"), (len(diagnostics) - wrong, "warning"))
    return " and ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in numbers if number)


def _place(finding: Diagnostic) -> tuple[bool, str, int, int]:
    location = finding.location or Location("")
    line, column = (location.span.start.line, location.span.start.column) if location.span else (0, 0)
    return finding.severity is Severity.ERROR, location.path, line, column


def _compact(warnings: list[Diagnostic], style: Style) -> str:
    lines = [style.bold(style.yellow("Warnings:")), ""]
    for finding in warnings:
        lines.append(f"- {escape(finding.summary)}")
        lines += [f"  on {escape(str(finding.location))}"] if finding.location else []
    return "\n".join((*lines, "", "Run ureg without -compact-warnings to see all of each."))


def _box(finding: Diagnostic, style: Style, room: int) -> str:
    wrong = finding.severity is Severity.ERROR
    color = style.red if wrong else style.yellow
    bar = color("│")
    lines = [f"{bar} {line}".rstrip() for line in _content(finding, style, color(_title(finding)), room)]
    return "\n".join((color("╷"), *lines, color("╵")))


def _title(finding: Diagnostic) -> str:
    return "Error: " if finding.severity is Severity.ERROR else "Warning: "


def _content(finding: Diagnostic, style: Style, title: str, room: int) -> Iterator[str]:
    first, *rest = escape_lines(finding.summary)
    first, *more = wrap(first, max(room - width(_title(finding)), _NARROWEST)) if room else [first]
    yield f"{style.bold(title)}{style.bold(first)}"
    yield from (style.bold(line) for line in more)
    yield from rest
    room = max(room or _COLUMNS, _NARROWEST)
    if finding.location:
        yield ""
        yield from _excerpt(finding.location, "on", _about(finding), style, room)
    yield from _paragraph(finding.detail, "", room)
    for related in finding.related:
        yield from _paragraph(related.note, "", room)
        yield from _excerpt(related.location, "at", "", style, room)
    yield from _paragraph(finding.hint, "help: ", room)


def _about(finding: Diagnostic) -> str:
    """The component it is about, where the summary does not name it anyway."""
    named = not finding.address or finding.address in finding.summary
    return "" if named else f", in {escape(finding.address)}"


def _paragraph(text: str, start: str, room: int) -> Iterator[str]:
    if text:
        yield ""
        for number, line in enumerate(escape_lines(text)):
            yield from wrap(f"{start}{line}" if number == 0 else line, room)


def _excerpt(location: Location, preposition: str, about: str, style: Style, room: int) -> Iterator[str]:
    """The place, its source line, and a mark under what is meant."""
    yield f"  {preposition} {escape(str(location))}{about}{':' if location.source_line else ''}"
    if location.span is None or not location.source_line:
        return
    before, marked, after = _window(location.source_line, location.span, room if room == _COLUMNS else room - _MARGIN)
    shown = _show(before + marked + after)
    yield f"  {location.span.start.line:>3}: {shown}"
    tail = "~" * (width(_show(marked)) - 1)
    yield f"       {' ' * width(_show(before))}{style.red(f'^{tail}')}"


def _window(line: str, span: Span, room: int) -> tuple[str, str, str]:
    """The parts of `line` before, in and after `span`; of a very long line only what is around its start."""
    start = min(span.start.column - 1, len(line))
    end = span.end.column - 1 if span.end.line == span.start.line else len(line)
    end = min(max(end, start), len(line))
    first = max(start - room // 2, 0) if len(line) > room else 0
    last = min(first + room, len(line))
    before = ("…" if first else "") + line[first:start]
    return before, line[start : min(end, last)], line[min(end, last) : last] + ("…" if last < len(line) else "")


def _show(text: str) -> str:
    return escape(text.replace("\t", _TAB))
