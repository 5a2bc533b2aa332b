"""Pointers to places: values, keys, parents of what is not there, in YAML and JSON."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.locate import locate
from reconciler.model.diagnostics import Location, Pointer

TEXT = """\
# a comment
kind: Service
metadata:
  labels: {team: 'é', "x y": z}
  dependsOn:
  - engine/duckdb
  - name: b   # why
    text: |
      one
      two
empty:
after: &a [1, [2, 3]]
again: *a
---
é: ü
b: "1
  2"
""".encode()

PLACES: list[tuple[int, Pointer, str, str]] = [
    # document, pointer, where and what its value is, where its key is
    (0, (), "2:1", "2:1"),
    (0, ("kind",), "2:7 Service", "2:1 kind"),
    (0, ("metadata",), "4:3", "3:1 metadata"),
    (0, ("metadata", "labels"), """4:11 {team: 'é', "x y": z}""", "4:3 labels"),
    (0, ("metadata", "labels", "team"), "4:18 'é'", "4:12 team"),
    (0, ("metadata", "labels", "x y"), "4:30 z", '4:23 "x y"'),
    (0, ("metadata", "dependsOn", 0), "6:5 engine/duckdb", "6:5 engine/duckdb"),
    (0, ("metadata", "dependsOn", 1, "name"), "7:11 b", "7:5 name"),
    (0, ("metadata", "dependsOn", 1, "nothing", 3), "7:5", "7:5"),
    (0, ("empty",), "11:7 ", "11:1 empty"),
    (0, ("after", 1, 0), "12:16 2", "12:16 2"),
    (0, ("again",), "13:8 *a", "13:1 again"),
    (0, ("again", 1, 0), "13:8 *a", "13:1 again"),
    (1, ("é",), "15:4 ü", "15:1 é"),
    (1, ("b",), '16:4 "1\n  2"', "16:1 b"),
    (1, ("metadata",), "15:1", "15:1"),
]


@pytest.mark.parametrize(("document", "pointer", "value", "key"), PLACES)
def test_a_pointer_has_a_value_and_a_key(document: int, pointer: Pointer, value: str, key: str) -> None:
    for wanted, on_key in ((value, False), (key, True)):
        found = locate(Location("a.yaml", pointer, document), TEXT, key=on_key)
        place, _, content = wanted.partition(" ")
        assert str(found) == f"a.yaml:{place}"
        assert found.span is not None
        assert found.source_line == TEXT.decode().splitlines()[found.span.start.line - 1]
        if " " in wanted:
            assert TEXT[found.span.start.byte : found.span.end.byte].decode() == content


def test_a_block_ends_with_its_last_content_and_not_with_what_follows() -> None:
    found = locate(Location("a.yaml", ("metadata", "dependsOn", 0)), TEXT)
    assert found.span is not None
    assert found.span.end[:2] == (6, 18)
    found = locate(Location("a.yaml", ("a",)), b"a:\n  b: 1\n\n# c\nd: 2\n")
    assert found.span is not None
    assert found.span.end[:2] == (2, 7)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"\x00", b"a: [", b"a: 'x", b"[" * 60_000, b"a: 1\n\tb: 2", b"a" * (2**20 + 1), b"---\n---\n", b"@"],
)
def test_what_cannot_be_read_leaves_the_location_as_it_is(data: bytes) -> None:
    location = Location("a.yaml", ("a", 0), 5)
    assert locate(location, data) == location
    location = Location("a.yaml", ("a", 0))
    if not data.startswith(b"---"):
        assert locate(location, data) == location


def test_documents_around_a_broken_one_are_found() -> None:
    data = b"a: 1\n---\nb: [\n---\nc: 1\n"
    assert str(locate(Location("a.yaml", ("a",), 0), data)) == "a.yaml:1:4"
    assert str(locate(Location("a.yaml", ("b",), 1), data)) == "a.yaml"
    assert str(locate(Location("a.yaml", ("c",), 2), data)) == "a.yaml:5:4"


def test_a_long_line_is_cut() -> None:
    found = locate(Location("a.yaml", ("a",)), b"a: " + b"x" * 5000)
    assert len(found.source_line) == 1000


names = st.text(st.characters(categories=["L", "N", "P", "Z"], exclude_characters="\u2028\u2029"), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


@given(values, st.sampled_from([None, 0, 2, "\t"]))
@settings(max_examples=100, deadline=None)
def test_every_value_of_a_json_file_is_where_its_pointer_says(value: Any, indent: int | str | None) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    for pointer, child in _nodes((), value):
        span = locate(Location("a.json", pointer), data).span
        assert span is not None
        assert orjson.loads(data[span.start.byte : span.end.byte]) == child
        assert data[: span.start.byte].decode().rpartition("\n")[2] == _line_before(
            data, span.start.line, span.start.column
        )


def _nodes(pointer: Pointer, value: Any) -> list[tuple[Pointer, Any]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(pointer, value), *(node for key, child in children for node in _nodes((*pointer, key), child))]


def _line_before(data: bytes, line: int, column: int) -> str:
    return data.decode().split("\n")[line - 1][: column - 1]
