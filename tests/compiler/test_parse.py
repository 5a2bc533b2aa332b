"""What a user sees of a YAML file: its documents, or each mistake at its place with a word on how to go on."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from reconciler.compiler import accelerator
from reconciler.compiler.parse import parse
from reconciler.model.diagnostics import Diagnostic

MISTAKES = [
    # text, code, line:column, words of the summary, words of the hint
    ("a: b: c\n", "yaml-syntax", "1:5", "second key", "Quote"),
    ("a:\n\tb: 1\n", "yaml-syntax", "2:1", "tab", "spaces"),
    ("a: 1\n\tb: 2\n", "yaml-syntax", "2:1", "tab", "spaces"),
    ("a: [1, 2\nb: 3\n", "yaml-syntax", "1:4", "bracket [ is not closed", "]"),
    ("a: {b: 1\n", "yaml-syntax", "1:4", "bracket { is never closed", "}"),
    ("a: {\n  b: 1\n  c: 2\n}\n", "yaml-syntax", "1:4", "bracket {", "comma"),
    ("a: [b c, 'd' e]\n", "yaml-syntax", "1:14", "comma or ]", "commas"),
    ("a: [b,, c]\n", "yaml-syntax", "1:7", "Nothing stands before this comma", "Remove"),
    ("a: b\nc: ]\n", "yaml-syntax", "2:4", "closes nothing", "quote"),
    ("a: 'b\nc: 1\n", "yaml-syntax", "1:4", "quote is never closed", "'"),
    ('a: "b\nc: "d"\n', "yaml-syntax", "2:5", "behind a closing quote", "missing in line 1"),
    ("a: 'b' c\n", "yaml-syntax", "1:8", "behind a closing quote", "whole value"),
    ("name\nkind: a\n", "yaml-syntax", "1:1", "no colon", "`key: value`"),
    ("a: b\nname\nkind: a\n", "yaml-syntax", "2:1", "no colon", "`key: value`"),
    ("a: b\nname:x\nkind: a\n", "yaml-syntax", "2:1", "space is missing", "`key: value`"),
    ("a: {b:c}\n", "yaml-syntax", "1:6", "space is missing", "`key: value`"),
    ("a: 1\n  b: 2\n", "yaml-syntax", "2:4", "indented too deep", "Align"),
    ("a:\n    b: 1\n  c: 2\n", "yaml-syntax", "3:3", "indentation fits no line above", "Align"),
    (" a: 1\nb: 2\n", "yaml-syntax", "2:1", "does not belong to the document", "Align"),
    ("- a\nb: 1\n", "yaml-syntax", "2:1", "item of the list", "- "),
    ("a: b\n- c\n", "yaml-syntax", "2:1", "list item stands among keys", "Indent"),
    ("a: - b\n", "yaml-syntax", "1:4", "list cannot start", "line of its own"),
    ("a: @b\n", "yaml-syntax", "1:4", "cannot start with @", "Quote"),
    ("a: %b\n", "yaml-syntax", "1:4", "cannot start with %", "Quote"),
    ("a: *\n", "yaml-syntax", "1:4", "starts with * is an alias", "Quote"),
    ("a: !<b c>\n", "yaml-tag", "1:4", "starts with ! is a tag", "Quote"),
    ("a: |b\n  c\n", "yaml-syntax", "1:5", "cannot follow |", "next line"),
    ('a: "\\d"\n', "yaml-syntax", "1:5", "escape is not known", "two backslashes"),
    ('a: "\\ud800"\n', "yaml-encoding", "1:7", "stands for no character", "itself"),
    ("a: 1\n: 2\n", "yaml-syntax", "2:1", "key is missing", "Write a key"),
    ("%YAML 2.0\n---\na: 1\n", "yaml-syntax", "1:1", "directive", "Remove"),
    (f"{'k' * 1100}: 1\n", "yaml-syntax", "1:1101", "key is too long", "1,024"),
    ("a: 1\na: 2\n", "yaml-duplicate-key", "2:1", '"a" stands twice', "Remove"),
    ("1: a\n", "yaml-key", "1:1", "must be a string", '"1"'),
    ("true: a\n", "yaml-key", "1:1", "must be a string", '"true"'),
    ("~: a\n", "yaml-key", "1:1", "must be a string", '"~"'),
    ("9999999999999999999999: a\n", "yaml-key", "1:1", "must be a string", "Quote"),
    ("? [a]\n: b\n", "yaml-key", "1:3", "must be a string", "quotes"),
    ("a: {{ b }}\n", "yaml-key", "1:5", "must be a string", "quotes"),
    ("<<: {a: 1}\n", "yaml-merge-key", "1:1", "Merge keys", '"<<"'),
    ("a: !secret b\n", "yaml-tag", "1:4", "tag !secret", "quote"),
    ("a: !!python/object:os.system b\n", "yaml-tag", "1:4", "tag !!python", "Remove"),
    ("%TAG !! tag:example.com,2000:\n---\na: !!int 1\n", "yaml-tag", "3:4", "example.com", "Remove"),
    ("a: !!int x\n", "yaml-tag", "1:4", "does not fit its tag", "Change"),
    ("a: !!map [b]\n", "yaml-tag", "1:4", "tag !!map", "Remove"),
    ("a: *b\n", "yaml-alias", "1:4", "anchor b is not defined", "&b"),
    ("a: &b [*b]\n", "yaml-alias", "1:8", "would contain itself", "Write the value out"),
    ("a: 9223372036854775808\n", "yaml-number", "1:4", "cannot be kept", "Quote"),
    ("a: .nan\n", "yaml-number", "1:4", "cannot be kept", "Quote"),
    ("a: -.INF\n", "yaml-number", "1:4", "cannot be kept", "Quote"),
    ("a: 1e999\n", "yaml-number", "1:4", "cannot be kept", "Quote"),
    ('a: "b\\0"\n', "yaml-control-character", "1:4", "NUL", "Remove"),
    ('a: "b\\x00"\n', "yaml-control-character", "1:4", "NUL", "Remove"),
    ("a: b\x1b[2Jc\n", "yaml-control-character", "1:5", "U+001B", "\\u001b"),
    ("a: b\rc: d\n", "yaml-control-character", "1:5", "U+000D", "LF"),
    ("a: b\u2028c: d\n", "yaml-control-character", "1:5", "U+2028", "Remove"),
    ("a: b\u0085c: d\n", "yaml-control-character", "1:5", "U+0085", "Remove"),
    ("é: \u202eb\n", "yaml-control-character", "1:4", "U+202E", "Remove"),
    ("a: 1\n\ufeffb: 2\n", "yaml-control-character", "2:1", "U+FEFF", "Remove"),
]


@pytest.mark.parametrize(("text", "code", "place", "summary", "hint"), MISTAKES)
def test_a_mistake_is_told_at_its_place_with_what_to_do(
    text: str, code: str, place: str, summary: str, hint: str
) -> None:
    documents, (finding, *_) = parse("a.yaml", text.encode())
    assert documents == ()
    assert finding.code == code
    assert str(finding.location) == f"a.yaml:{place}"
    assert summary in finding.summary
    assert hint in finding.hint
    assert finding.location is not None
    assert finding.location.source_line in text


VALUES = [
    ("no", "no"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("1:30", "1:30"), ("012", 12), ("0o17", 15), ("0x1F", 31),
    ("0O17", "0O17"), ("-0x1F", "-0x1F"), ("0b11", "0b11"), ("1_000", "1_000"), ("+1", 1), ("-0", 0), ("-0.0", -0.0),
    (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), (".", "."), ("1e", "1e"), ("0x", "0x"),
    ("true", True), ("True", True), ("TRUE", True), ("tRUE", "tRUE"), ("False", False), ("null", None), ("Null", None),
    ("NULL", None), ("~", None), ("", None), ("nULL", "nULL"), ("2024-01-01", "2024-01-01"), ("1.10", 1.1), ("=", "="),
    ("'1'", "1"), ('"true"', "true"), ("!!str 1", "1"), ("!!str", ""), ("!!int '7'", 7), ("!!float 1", 1.0),
    ("!!bool 'true'", True), ("!!null ''", None), ("9223372036854775807", 2**63 - 1), ("<<", "<<"), ("٣", "٣"),
    ("-9223372036854775807", -(2**63 - 1)), ("0" * 5000 + "7", 7), ("!!map {}", {}), ("!!seq []", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_scalars_mean_what_the_core_schema_of_yaml_1_2_says(text: str, value: Any) -> None:
    (document,), findings = parse("a.yaml", f"a: {text}\n".encode())
    assert findings == ()
    assert repr(document.value["a"]) == repr(value)


AWKWARD = """\
# a licence

# before the first key
literal: |  # a comment
  one
    two

  three
folded: >-
  one
  two

  three
keep: |+
  x

indented: |2
    y
plain: one
  two # not three
quoted: "one \\
  two\\n"
flow: {a: [1, 2,], "b":3, c: {d: }}
? explicit
: value
shared: &x {a: 1}
again: *x
list:
- - nested
-
  deep: 1
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_awkward_but_sound_yaml_is_read(end: str) -> None:
    (document,), findings = parse("a.yaml", AWKWARD.replace("\n", end).encode())
    assert findings == ()
    assert document.line == 4
    assert document.value == {
        "literal": "one\n  two\n\nthree\n",
        "folded": "one two\nthree",
        "keep": "x\n\n",
        "indented": "  y\n",
        "plain": "one two",
        "quoted": "one two\n",
        "flow": {"a": [1, 2], "b": 3, "c": {"d": None}},
        "explicit": "value",
        "shared": {"a": 1},
        "again": {"a": 1},
        "list": [["nested"], {"deep": 1}],
    }


def test_documents_keep_their_numbers_and_lines_and_empty_ones_are_skipped() -> None:
    text = "---\n---\na: 1\n---\n# c\n---\n\nb: 2\n...\n---\n~\n"
    documents, findings = parse("a.yaml", text.encode())
    assert findings == ()
    assert [(document.number, document.line, document.value) for document in documents] == [
        (1, 3, {"a": 1}),
        (3, 8, {"b": 2}),
        (4, 11, None),
    ]


def test_a_broken_document_hides_neither_its_neighbours_nor_their_mistakes() -> None:
    text = "a: 1\n---\nb: [\n---\nc: 1\n---\nd: 'x\n---\ne: 1\ne: 2\n---\nf: 1\n"
    documents, findings = parse("a.yaml", text.encode())
    assert [(document.number, document.line, document.value) for document in documents] == [
        (0, 1, {"a": 1}),
        (2, 5, {"c": 1}),
        (5, 12, {"f": 1}),
    ]
    assert [(finding.code, _line(finding), _document(finding)) for finding in findings] == [
        ("yaml-syntax", 3, 1),
        ("yaml-syntax", 7, 3),
        ("yaml-duplicate-key", 10, 4),
    ]


def test_the_half_before_a_syntax_error_is_no_document() -> None:
    assert parse("a.yaml", b" a: 1\nb: 2\n")[0] == ()
    assert [document.value for document in parse("a.yaml", b"a: 1\n...\nb: 2\n")[0]] == [{"a": 1}]


@pytest.mark.parametrize("text", [b"", b"\n", b"# only a comment\n", b"---\n", b"---\n...\n", b"\xef\xbb\xbf"])
def test_a_file_without_content_has_neither_documents_nor_findings(text: bytes) -> None:
    assert parse("a.yaml", text) == ((), ())


def test_a_byte_order_mark_is_skipped_and_counted_in_bytes_only() -> None:
    (document,), _ = parse("a.yaml", b"\xef\xbb\xbfa: 1\n")
    assert document.value == {"a": 1}
    _, (finding,) = parse("a.yaml", b"\xef\xbb\xbfa: @\n")
    assert finding.location is not None
    assert finding.location.span is not None
    assert finding.location.span.start == (1, 4, 6)
    assert finding.location.source_line == "a: @"


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"a: 1\nb: \xc3\xa9\xff\n", "yaml-encoding", "a.yaml:2:5"),
        (b"\xff\xfea\x00", "yaml-encoding", "a.yaml:1:1"),
        (b"\x00\x00\xfe\xffa", "yaml-encoding", "a.yaml:1:1"),
        (b"a: \xed\xa0\x80\n", "yaml-encoding", "a.yaml:1:4"),
        (b"a" * (2**20 + 1), "yaml-size", "a.yaml:1:1"),
    ],
)
def test_what_is_not_a_utf8_text_of_moderate_size_is_refused(data: bytes, code: str, place: str) -> None:
    documents, (finding,) = parse("a.yaml", data)
    assert documents == ()
    assert (finding.code, str(finding.location)) == (code, place)


HOSTILE = {
    "brackets": b"[" * 60_000,
    "a mebibyte of brackets": b"[" * 2**20,
    "mixed brackets": b"[{" * 30_000,
    "broken documents": b"[\n---\n" * 170_000,
    "deep indentation": b"".join(b" " * i + b"a:\n" for i in range(1400)),
    "dashes": b"- " * 500_000,
    "question marks": b"? " * 500_000,
    "a long key": b"k" * 1_000_000 + b": 1",
    "a long number": b"a: " + b"9" * 1_000_000,
    "a long fraction": b"a: 1." + b"1" * 1_000_000,
    "no number after all": b"a: " + b"0" * 1_000_000 + b"x",
    "duplicates": b"a: b\n" * 200_000,
    "many items": b"- 1\n" * 250_000,
    "many documents": b"---\na\n" * 170_000,
    "an open quote": b'a: "' + b"\n" * 1_000_000,
    "a long tag": b"!" * 1_000_000,
    "a long directive": b"%" + b"a" * 1_000_000,
    "forbidden characters": b"\x00" * 1_000_000,
    "colons": b"a: " * 340_000,
    "words in brackets": b"a: [" + b"b c " * 250_000,
    "words in short brackets": b"a: [" + b"b c " * 15_000,
    "quotes in brackets": b"a: [" + b"'b' " * 15_000,
    "aliases in aliases": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)),
    "aliases that nest": b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (i, i, i - 1) for i in range(1, 400)),
}
HARMLESS = {"a long fraction", "no number after all"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_answered_soon_and_never_with_an_exception(name: str) -> None:
    began = time.perf_counter()
    _, findings = parse("a.yaml", HOSTILE[name])
    assert time.perf_counter() - began < 5
    assert bool(findings) is (name not in HARMLESS)
    assert len(findings) <= 100
    assert all(len(text) < 500 for finding in findings for text in (finding.summary, finding.detail, finding.hint))
    assert all(len(finding.location.source_line) <= 1000 for finding in findings if finding.location)


def test_without_yaml_rs_the_reference_reader_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "yaml_rs", None)
        accelerator._loads.cache_clear()
        assert accelerator.read("a.yaml", b"a: 1\n") is None
        assert parse("a.yaml", b"a: 1\n")[0][0].value == {"a": 1}
    accelerator._loads.cache_clear()


def _line(finding: Diagnostic) -> int:
    assert finding.location is not None
    assert finding.location.span is not None
    return finding.location.span.start.line


def _document(finding: Diagnostic) -> int:
    assert finding.location is not None
    return finding.location.document
