"""Secrets that were written where they must not be: no finding about their file shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.compile import compile_file
from reconciler.compiler.kinds import load_catalogue
from reconciler.compiler.validate import Validator
from reconciler.compiler.veil import secret_lines, sensitive_names, veil
from reconciler.model.diagnostics import Diagnostic, Location, Position, Span

SCHEMAS = Path(__file__).parents[2] / "schemas"
CATALOGUE = load_catalogue({path.name: path.read_bytes() for path in SCHEMAS.glob("*.schema.json")})[0]
VALIDATOR = Validator(CATALOGUE)
NAMES = sensitive_names(CATALOGUE)
HEAD = "apiVersion: ureg/v1\nkind: Service\nmetadata: {name: a}\nspec:\n  command: [x]\n"


def test_the_names_are_those_of_the_kinds() -> None:
    assert {"secretRef", "secrets", "credentials"} == NAMES


WRONG = {
    "a text for the mapping": "  secrets: HUNTER2",
    "a list for the mapping": "  secrets: [HUNTER2]",
    "a list of mappings": "  secrets:\n  - k: HUNTER2",
    "a value": "  secrets: {k: HUNTER2}",
    "a value for the place": "  secrets: {k: {secretRef: HUNTER2}}",
    "a list for the place": "  environment: {k: {secretRef: [HUNTER2]}}",
    "a place that is none, where nothing is sensitive": "  environment: {k: {secretRef: HUNTER2}}",
    "more than a place": '  environment: {k: {secretRef: "env:A", more: HUNTER2}}',
    "a comment beside it": '  secrets:\n    k: {secretRef: "env:A", x: 1}  # HUNTER2',
    "a second colon": "  secrets:\n    k: HUNTER2: x",
    "a bracket that is never closed": "  secrets: {k: HUNTER2",
    "a bracket further down": "  secrets: {\nk: HUNTER2,\n l: [ HUNTER2",
    "a quote that is never closed": '  secrets:\n    k: "HUNTER2',
    "a quote over several lines": '  secrets:\n    k: "-----BEGIN\nHUNTER2: "x"\n',
    "a tag": "  secrets:\n    k: !HUNTER2",
    "an alias": "  secrets:\n    k: *HUNTER2",
    "wrong indentation": "  secrets:\n  k: HUNTER2: x",
    "a tab": "  secrets:\n\tk: HUNTER2",
    "no colon": "  secrets:\n    k: x\n    HUNTER2",
    "a key twice": "  secrets:\n    k: HUNTER2\n    k: HUNTER2",
    "a control character": "  secrets:\n    k: HUNTER2\x01",
    "another encoding": "  secrets:\n    k: HUNTER2\udcff",
    "a quoted key": '  "secrets":\n    k: HUNTER2: x',
    "a key in capitals": "  Secrets:\n    k: HUNTER2: x",
    "a key in the singular": "  secret:\n    k: HUNTER2: x",
}


@pytest.mark.parametrize("name", WRONG)
def test_no_finding_of_a_file_shows_a_secret(name: str) -> None:
    data = f"{HEAD}{WRONG[name]}\n".encode("utf-8", "surrogateescape")
    resources, found = compile_file("a.yaml", data, CATALOGUE, VALIDATOR, None)
    assert resources == ()
    assert found
    assert "HUNTER2" not in repr(found)


@pytest.mark.parametrize(
    "values", ["{a: {secretRef: HUNTER2}}", "[{secretRef: HUNTER2}]", "{a: {b: [{secretRef: 1}]}}"]
)
def test_a_reference_among_a_config_s_values_must_name_a_place(values: str) -> None:
    head = "apiVersion: ureg/v1\nkind: Config\nmetadata: {name: a}\n"
    data = f"{head}spec: {{format: json, path: x, values: {values}}}\n".encode()
    resources, found = compile_file("a.yaml", data, CATALOGUE, VALIDATOR, None)
    assert resources == ()
    assert "HUNTER2" not in repr(found)
    assert found


def test_lines_beside_a_secret_are_still_shown() -> None:
    text = f'{HEAD}  secrets:\n    k: {{secretRef: "env:A"}}\n  ports: 7\n  colour: red\n'
    _, found = compile_file("a.yaml", text.encode(), CATALOGUE, VALIDATOR, None)
    shown = [one.location.source_line for one in found if one.location]
    assert shown == ["  ports: 7", "  colour: …"]


def lines(text: str) -> list[int]:
    return sorted(secret_lines(text.split("\n"), NAMES))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("spec:\n  secrets:\n    a: x\n\n    b: y\n  ports: z", [2, 4]),
        ("spec:\n  secrets: # mind\n    a: x\n  ports: z", [2]),
        ("  secrets:\n  - x\n  - y\n  ports: z", [1, 2, 3]),
        ('a: {secretRef: "env:A"}\nb:\n  secretRef: file:x/y\nc: {secretRef: "sops:a.yaml#b.c"}\nd: 1', []),
        ("a: {secretRef: x}\nb: 1", [0]),
        ("secrets: {a: x,\nb: y}\nc: z", [0, 1]),
        ("secrets:\n  a: 'x\ny'\nc: z", [1, 2]),
        ("secrets:\n  a: x\n---\nb: y", [1]),
        ("my-secrets: x\nsecretsly: y", []),
    ],
)
def test_which_lines_are_hidden(text: str, hidden: list[int]) -> None:
    assert lines(text) == hidden


def test_a_file_without_sensitive_keys_keeps_its_findings() -> None:
    position = Position(1, 1, 0)
    finding = Diagnostic("x", "x", location=Location("a", span=Span(position, position), source_line="a: ["))
    assert veil((finding,), b"a: [\n", NAMES) == (finding,)
    assert veil((), b"", NAMES) == ()


NOISE = st.text(alphabet="ab:-[]{}\"'# ", max_size=12)
LINE = st.builds(lambda depth, text: " " * depth + text, st.integers(5, 12), NOISE)
SECRET = st.sampled_from(["HUNTER2", "HUNTER2: x", "- HUNTER2", '"HUNTER2', "{HUNTER2", "*HUNTER2"])


@settings(max_examples=150)
@given(st.lists(LINE, max_size=5), SECRET)
def test_whatever_stands_around_it_what_is_below_the_key_is_not_shown(above: list[str], secret: str) -> None:
    text = "\n".join([HEAD + "  secrets:", *above, f"     {secret}", "  ports: ["])
    _, found = compile_file("a.yaml", text.encode(), CATALOGUE, VALIDATOR, None)
    assert found
    assert "HUNTER2" not in repr(found)
