from __future__ import annotations

import re
import unicodedata

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.render.escape import escape, escape_lines, quote
from reconciler.render.json_text import dump

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
HOSTILE = ["\x1b", "\x07", "\x9b", "\r", "\n", "\b", "\x7f", "\u2028", "\ud800", "::", "##", "[", "##vso[", *BIDI]

texts = st.lists(st.one_of(st.text(), st.characters(), st.sampled_from(HOSTILE))).map("".join)


def is_safe(line: str) -> bool:
    hidden = any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI for c in line)
    return not hidden and not re.search(r"\A\s*::|##[A-Za-z]*\[", line)


@given(texts)
@settings(max_examples=300)
def test_nothing_that_acts_comes_out(text: str) -> None:
    assert is_safe(escape(text))
    assert is_safe(quote(text))


@given(texts)
def test_escaping_twice_is_escaping_once(text: str) -> None:
    assert escape(escape(text)) == escape(text)


@given(texts)
def test_as_many_lines_come_out_as_there_are(text: str) -> None:
    lines = escape_lines(text)
    assert all(map(is_safe, lines))
    assert len(lines) == max(text.count("\n") + (not text.endswith("\n")), 1)


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "Zs"])))
def test_plain_text_is_left_as_it_is(text: str) -> None:
    assert escape(text) == text
    assert quote(text) == f'"{text}"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("ok\r+ fake", r"ok\r+ fake"),
        ("a\u202eb", r"a\u202eb"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("::error file=x::y", r":\:error file=x::y"),
        ("  ::stop-commands::t", r"  :\:stop-commands::t"),
        ("std::string", "std::string"),
        ("a ##[error] b", r"a #\#[error] b"),
        ("##vso[task.setvariable]", r"#\#vso[task.setvariable]"),
        ("## heading", "## heading"),
        ("naïve 日本語 👩‍👩‍👧", "naïve 日本語 👩‍👩‍👧"),
    ],
)
def test_what_a_reader_sees(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_quotes_and_backslashes_are_told_apart() -> None:
    assert quote('a"b\\n\n') == r'"a\"b\\n\n"'


@given(texts, st.booleans())
def test_json_loses_nothing_and_hides_nothing(text: str, indent: bool) -> None:
    written = dump({text: [text, 1]}, indent).decode()
    assert all(map(is_safe, written.removesuffix("\n").split("\n")))
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert orjson.loads(written) == {text: [text, 1]}


def test_lone_surrogates_are_written_as_escapes() -> None:
    assert dump("a\udcffb") == b'"a\\udcffb"\n'
