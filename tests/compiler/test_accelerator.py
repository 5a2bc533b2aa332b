"""The accelerator says what the reference reader says, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from compiler.yaml_strategies import BLOCKS, SCALARS, documents
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.compiler import accelerator, reader

ORDINARY = """\
# yaml-language-server: $schema=../../schemas/service.schema.json
apiVersion: ureg/v1
kind: Service
metadata:
  name: search-api
  labels: {team: discovery}
  dependsOn: [engine/duckdb, 'a', "b"]
state: running
spec:
  description: Answers search requests (all of them!) over the catalogue, 100% of the time.
  command: ["python", "-m", "search_api", "--port", "8080"]
  environment:
    LOG_LEVEL: info
    WORKERS: "4"
    PATTERN: a/*.py
  port: 8080
  timeoutSeconds: 2.5
  enabled: true
  notes: |
    one
      two

    three
  folded: >-
    one
    two
  list:
  - a: b
    c: d   # comment
  - e
  - 'it''s'
  long text: that goes on
    here
  umlaut: "é\\n"
"""

CHANGES = [
    *" \n\t\r-:,?!&*#|>'\"[]{}\\_~.019a",
    "\n  ",
    "- ",
    ": ",
    " #",
    "null",
    "true",
    "1e9",
    "_1",
    "\n\n",
    "''",
    "[]",
    "{}",
]


def check(data: bytes) -> bool:
    """Whether the accelerator took `data`; that it then agrees with the reader is asserted."""
    document = accelerator.read("a.yaml", data)
    if document is None:
        return False
    expected, findings = reader.read("a.yaml", data)
    assert findings == ()
    assert [_exact(each) for each in expected] == [_exact(document)]
    return True


def _exact(value: Any) -> str:
    """Tells apart what `==` does not: 1, 1.0 and True; 0.0 and -0.0; the order of keys."""
    return repr(value)


def test_an_ordinary_file_is_taken() -> None:
    assert check(ORDINARY.encode())
    assert check(b"---\n# c\n\na: 1\n")
    assert check("# é\nname: Ångström\n".encode())


@given(documents())
@settings(max_examples=500, deadline=None)
@example("k: >\n\n")
@example("k: |\n  a")
@example("a: _.5\n")
@example("a: '\n\t\n  '\n")
@example("\ufeffa: 1\n")
def test_generated_documents_are_read_alike(text: str) -> None:
    check(text.encode())


@given(st.lists(st.tuples(st.integers(0, len(ORDINARY)), st.sampled_from(CHANGES), st.integers(0, 3)), max_size=3))
@settings(max_examples=500, deadline=None)
def test_an_ordinary_file_with_small_changes_is_read_alike(changes: list[tuple[int, str, int]]) -> None:
    text = ORDINARY
    for start, new, removed in changes:
        text = text[:start] + new + text[start + removed :]
    check(text.encode())


@given(st.binary() | st.text().map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_alike(data: bytes) -> None:
    check(data)


FORMS = ["a: {}\n", "a:\n- {}\n- b\n", "a: [{}, b]\n", "a: {b: {}}\n", "{}: a\n", "a:\n  {}\nb: c\n"]


@pytest.mark.parametrize("form", FORMS)
def test_each_scalar_in_each_place_is_read_alike(form: str) -> None:
    for scalar in [*SCALARS, *(f"{block}\n  x" for block in BLOCKS)]:
        check(form.replace("{}", scalar).encode())


CONTEXTS = [
    *("a: {}\n", "a: b{}\n", "a: b {} c\n", "a: b{}c\n", "{}a: b\n", "a:{} b\n", "a: '{}'\n", 'a: "{}"\n', "- {}\n"),
    *('a: "\\{}"\n', 'a: "b\\{}0041c"\n', "a: [{}b]\n", "a: [b {}]\n", "a: 1{}2\n", "a{}: b\n"),
]


@pytest.mark.parametrize("context", CONTEXTS)
def test_each_character_in_each_place_is_read_alike(context: str) -> None:
    for code in [*range(0x250), *range(0x2000, 0x2070), 0x3000, 0xD7FF, 0xFEFF, 0xFFFD, 0xFFFE, 0x10000, 0x10FFFF]:
        check(context.replace("{}", chr(code)).encode())


@pytest.mark.parametrize("depth", [1, 30, 63, 64, 65, 100, 300])
@pytest.mark.parametrize("opening", ["a:\n{} ", "-\n{} ", "- ", "a:\n{}- "])
def test_deep_nesting_is_left_to_the_reader(depth: int, opening: str) -> None:
    text = "".join(opening.replace("{}", " " * level) for level in range(depth))
    check(f"k:\n- {text}x\n".encode())
    check(f"k: {'[' * depth}{']' * depth}\n".encode())
    check(("".join(f"{' ' * level}a:\n" for level in range(depth)) + " " * depth + "b: 1\n").encode())


def test_deep_nesting_is_taken_only_within_the_limit() -> None:
    def nested(depth: int) -> bytes:
        return ("".join(f"{' ' * level}a:\n" for level in range(depth - 1)) + " " * (depth - 1) + "b: 1\n").encode()

    assert check(nested(64))
    assert not check(nested(65))


def test_large_files_are_left_to_the_reader() -> None:
    assert not check(b"".join(b"k%d: {a, b, c}\n" % number for number in range(10_000)))
