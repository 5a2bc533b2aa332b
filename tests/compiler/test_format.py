"""What `fmt` does to a text, and the laws that hold for every text."""

from __future__ import annotations

import re

import pytest
from compiler.yaml_strategies import documents
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.format import format_yaml
from reconciler.compiler.parse import parse
from reconciler.model.diagnostics import Severity, errors


def formatted(text: str) -> str:
    data, found = format_yaml("a.yaml", text.encode())
    assert not found
    return data.decode()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a:   1\nb:\n- x\n", "a: 1\nb:\n  - x\n"),
        ("a: [{var: x}, y]\n", "a: [{var: x}, y]\n"),
        ("a: {b: [{c: d}]}\n", "a: {b: [{c: d}]}\n"),
        ("a:\n-\n- ~\n- b\n", "a:\n  - null\n  - null\n  - b\n"),
        ("a:\r\n- x\r\n", "a:\n  - x\n"),
        ("a:\n  -   - b\n      - c\n  - d\n", "a:\n  - - b\n    - c\n  - d\n"),
        ("a:\n-\n  -\n    - b\n    -   c: 1\n        d: 2\n", "a:\n  - - - b\n      - c: 1\n        d: 2\n"),
        ("a:\n- b:\n  -   - c\n      - d:\n        - e\n", "a:\n  - b:\n      - - c\n        - d:\n            - e\n"),
        ("-   a\n-   -   b\n    - |\n      c\n", "- a\n- - b\n  - |\n    c\n"),
        ("\ufeffa: 1\n", "a: 1\n"),
        ("a: 1", "a: 1\n"),
        ("a:\n- !!str x\n", "a:\n  - !!str x\n"),
        ("a: 'x'\nb: \"y\"\nc: 012\nd: 0x1F\n", "a: 'x'\nb: \"y\"\nc: 012\nd: 0x1F\n"),
        ("a: |\n  x\n\n\nb:   1\n", "a: |\n  x\n\n\nb: 1\n"),
        ("# top\n---\na:   1\n...\n# between\n---   # why\nb:   2\n# end\n\n\n", None),
        ("# only\n---\n---\na: 1\n", "# only\n---\n---\na: 1\n"),
    ],
)
def test_the_one_format(text: str, wanted: str | None) -> None:
    assert formatted(text) == (wanted or "# top\n---\na: 1\n...\n# between\n---   # why\nb: 2\n# end\n")


def test_a_comment_that_would_get_lost_keeps_its_file_as_it_is() -> None:
    text = b"a:   [1,\n  2, # second\n  3]\n"
    data, (found,) = format_yaml("a.yaml", text)
    assert data == text
    assert (found.code, found.severity) == ("format-refused", Severity.WARNING)
    assert "'# second'" in found.summary


def test_what_is_wrong_is_told_and_stays() -> None:
    data, found = format_yaml("a.yaml", b"a:   [\n")
    assert data == b"a:   [\n"
    assert errors(found)


@st.composite
def commented(draw: st.DrawFn) -> str:
    """A document with comments behind and between its lines."""
    lines: list[str] = []
    for number, line in enumerate(draw(documents()).split("\n")):
        place = draw(st.sampled_from(["", "", "", "behind", "before", "blank"]))
        lines += [f"{draw(st.sampled_from(['', '  ', '    ']))}# c{number}"] if place == "before" else []
        lines += [""] if place == "blank" else []
        lines += [f"{line}  # c{number}" if place == "behind" else line]
    return draw(st.sampled_from(["", "# head\n---\n", "---\n"])) + "\n".join(lines)


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"# (?:c\d+|head)\b", text))


@settings(max_examples=300, deadline=None)
@given(commented())
def test_formatting_is_idempotent_and_keeps_meaning_and_comments(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    after, _ = format_yaml("a.yaml", data)
    assert format_yaml("a.yaml", after)[0] == after
    before_values, now_values = ([one.value for one in parse("a.yaml", one_data)[0]] for one_data in (data, after))
    assert repr(now_values) == repr(before_values)
    if after != data:
        assert comments(after.decode()) == comments(text)
