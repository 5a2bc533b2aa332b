from __future__ import annotations

from typing import Any

import orjson
import pytest

from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Position, Related, Severity, Span
from reconciler.render.diagnostics_json import json_pointer, render_validation
from reconciler.render.diagnostics_text import render_diagnostics
from reconciler.render.style import PLAIN, Style


def place(path: str, line: int, start: int, end: int, text: str, last: int | None = None) -> Location:
    span = Span(Position(line, start, 100 + start), Position(last or line, end, 100 + end))
    return Location(path, ("spec", "a/b"), span=span, source_line=text)


@pytest.fixture
def findings() -> Diagnostics:
    service = place("registry.d/services/web.yaml", 7, 3, 10, "  replcas: 2")
    return (
        Diagnostic(
            "unknown-property",
            'Unknown property "replcas"',
            detail="A service has no such property.\nreplicas: How many processes run at once.",
            hint='Did you mean "replicas"?',
            location=service,
            address="service/web",
        ),
        Diagnostic(
            "duplicate-address",
            "service/web is there twice",
            location=place("registry.d/a.yaml", 4, 9, 12, "  name: web"),
            related=(Related("First defined here.", place("registry.d/b.yaml", 4, 9, 12, "  name: web")),),
        ),
        Diagnostic("deprecated", "Old field", location=Location("ureg.yaml"), severity=Severity.WARNING),
        Diagnostic("state", "The state is locked", detail="By someone else."),
    )


def test_findings_for_a_person(findings: Diagnostics, golden: Any) -> None:
    golden("diagnostics.txt", render_diagnostics(findings, PLAIN))
    golden("diagnostics.ansi", render_diagnostics(findings, Style(color=True)))
    golden("diagnostics_compact.txt", render_diagnostics(findings, PLAIN, compact_warnings=True))


def test_findings_for_a_program(findings: Diagnostics, golden: Any) -> None:
    golden("validation.json", render_validation(findings))


def test_nothing_found() -> None:
    assert render_diagnostics((), PLAIN) == ""
    assert orjson.loads(render_validation(())) == {
        "format_version": "1.0",
        "valid": True,
        "error_count": 0,
        "warning_count": 0,
        "diagnostics": [],
    }


def marked(location: Location) -> tuple[str, str]:
    text = render_diagnostics((Diagnostic("x", "X", location=location),), PLAIN)
    excerpt, mark = text.splitlines()[4:6]
    return excerpt.removeprefix("│ "), mark.removeprefix("│ ")


def test_the_mark_stands_under_the_place() -> None:
    assert marked(place("f", 3, 7, 9, "name: no!")) == ("    3: name: no!", "             ^~")


def test_wide_characters_and_tabs_are_measured() -> None:
    assert marked(place("f", 3, 5, 7, "日本\t:ab")) == ("    3: 日本    :ab", "                ^~")


def test_a_span_over_several_lines_marks_the_rest_of_its_first() -> None:
    assert marked(place("f", 1, 3, 2, "a: [1,", last=4)) == ("    1: a: [1,", "         ^~~~")


def test_a_place_behind_the_end_of_its_line() -> None:
    assert marked(place("f", 1, 9, 9, "a:")) == ("    1: a:", "         ^")


def test_a_long_line_is_cut_around_its_place() -> None:
    line, mark = marked(place("f", 1, 5001, 5002, "x" * 5000 + "!" + "y" * 1_000_000))
    assert len(line) < 120
    assert line[mark.index("^")] == "!"


def test_hostile_text_stays_inside_its_box() -> None:
    evil = "\x1b[2J\n::error::x\r\u202e"
    location = Location(evil, span=Span(Position(1, 1, 0), Position(1, 2, 1)), source_line=evil)
    finding = Diagnostic("x", evil, evil, evil, location, (Related(evil, location),), address=evil)
    text = render_diagnostics((finding,), PLAIN)
    assert all(line[0] in "╷│╵" for line in text.splitlines())
    assert not any(character in text for character in "\x1b\r\u202e")


def test_json_pointers_are_escaped() -> None:
    assert json_pointer(("a/b", 0, "~")) == "/a~1b/0/~0"


def test_on_a_terminal_every_line_stays_inside_its_box() -> None:
    text = "what is wrong " * 10
    finding = Diagnostic("x", text, text, text, place("f", 3, 300, 310, "y" * 1000))
    for columns in (40, 80, 200):
        lines = render_diagnostics((finding,), PLAIN, columns=columns).splitlines()
        assert all(len(line) <= columns for line in lines)
    assert f"Error: {text.strip()}" in render_diagnostics((finding,), PLAIN)
