"""Laws of the reference reader."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.reader import MAX_FINDINGS, MAX_NODES, read
from reconciler.compiler.text import FORBIDDEN
from reconciler.model.diagnostics import Diagnostic, Span

texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not FORBIDDEN.search(text))
integers = st.integers(-(2**63) + 1, 2**63 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)
fragments = st.sampled_from(
    [
        *"ab1 \n\t\r-:,?!&*#|>%@`'\"[]{}\\0",
        "\n  ",
        "---\n",
        "...\n",
        "a: ",
        "- ",
        "<<",
        "é",
        "\ufeff",
        "\u2028",
        "&a ",
        "*a",
    ]
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_json_is_yaml_and_means_the_same(value: Any) -> None:
    (document,), findings = read("a.json", orjson.dumps(value))
    assert findings == ()
    assert repr(document.value) == repr(value)


@given(st.lists(fragments, max_size=40).map("".join) | st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_gives_documents_or_findings_whose_places_are_in_it(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    documents, findings = read("a.yaml", data)
    orjson.dumps([document.value for document in documents])
    for finding in findings:
        span = _span(finding)
        assert 0 <= span.start.byte <= span.end.byte <= len(data)
        assert span.start.line == 1 + data.count(b"\n", 0, span.start.byte)


@given(st.binary())
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_documents_or_findings(data: bytes) -> None:
    documents, findings = read("a.yaml", data)
    orjson.dumps([document.value for document in documents])
    assert all(finding.location is not None for finding in findings)


def test_a_duplicate_key_names_the_first_place_and_its_pointer() -> None:
    _, (first, second) = read("a.yaml", "é: {x: 1, 'x': 2}\nb:\n- y: 1\n  z: 2\n  y: 3\n".encode())
    assert _span(first) == ((1, 11, 11), (1, 14, 14))
    assert first.location is not None
    assert first.location.pointer == ("é", "x")
    assert [(related.note, str(related.location)) for related in first.related] == [
        ("first defined here", "a.yaml:1:5")
    ]
    assert second.location is not None
    assert second.location.pointer == ("b", 0, "y")
    assert str(second.related[0].location) == "a.yaml:3:3"


def test_everything_wrong_with_a_document_is_found_at_once() -> None:
    text = b"1: a\nb: !x c\nd: .nan\ne: *f\ng: 1\ng: 2\n<<: {}\nh: [9999999999999999999, {i: 1, i: 2}]\n"
    _, findings = read("a.yaml", text)
    assert [(finding.code, _span(finding).start.line) for finding in findings] == [
        ("yaml-key", 1),
        ("yaml-tag", 2),
        ("yaml-number", 3),
        ("yaml-alias", 4),
        ("yaml-duplicate-key", 6),
        ("yaml-merge-key", 7),
        ("yaml-number", 8),
        ("yaml-duplicate-key", 8),
    ]


def test_depth_counts_what_an_alias_stands_for() -> None:
    assert read("a.yaml", b"[" * 64 + b"]" * 64)[1] == ()
    assert [finding.code for finding in read("a.yaml", b"[" * 65 + b"]" * 65)[1]] == ["yaml-depth"]
    sound = b"a: &a " + b"[" * 40 + b"]" * 40 + b"\nb: " + b"[" * 23 + b"*a" + b"]" * 23 + b"\n"
    assert read("a.yaml", sound)[1] == ()
    deeper = b"a: &a " + b"[" * 40 + b"]" * 40 + b"\nb: " + b"[" * 24 + b"*a" + b"]" * 24 + b"\n"
    assert [finding.code for finding in read("a.yaml", deeper)[1]] == ["yaml-depth"]


def test_nodes_are_counted_with_keys_and_after_expansion() -> None:
    within = b"- a\n" * (MAX_NODES - 1)
    assert read("a.yaml", within)[1] == ()
    assert [finding.code for finding in read("a.yaml", within + b"- a\n")[1]] == ["yaml-size"]
    aliased = b"- &a [" + b"b," * 999 + b"]\n" + b"- *a\n" * 99
    assert [finding.code for finding in read("a.yaml", aliased)[1]] == ["yaml-alias"]


def test_anchors_belong_to_their_document_and_may_be_set_again() -> None:
    (document,), (finding,) = read("a.yaml", b"a: &x 1\nb: *x\nc: &x [2]\nd: *x\ne: &y f\n*y : 3\n---\ng: *x\n")
    assert document.value == {"a": 1, "b": 1, "c": [2], "d": [2], "e": "f", "f": 3}
    assert (finding.code, _span(finding).start.line) == ("yaml-alias", 8)


def test_findings_are_many_but_not_endless() -> None:
    assert len(read("a.yaml", b"a: 1\n" * 60)[1]) == 59
    assert len(read("a.yaml", b"a: 1\n" * 600)[1]) == MAX_FINDINGS


def _span(finding: Diagnostic) -> Span:
    assert finding.location is not None
    assert finding.location.span is not None
    return finding.location.span
