"""Documents against schemas: each error in words at its place, no secret anywhere, both libraries of one mind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.explain import refusals
from reconciler.compiler.judge import Judge, url
from reconciler.compiler.kinds import load_catalogue
from reconciler.compiler.parse import parse
from reconciler.compiler.validate import MAX_FINDINGS, Validator
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.kind import Catalogue
from reconciler.model.resource import Document

HERE = Path(__file__).parent
CATALOGUE = load_catalogue({f"schemas/{path.name}": path.read_bytes() for path in HERE.glob("*.schema.json")})[0]
VALIDATOR = Validator(CATALOGUE)
HEAD = "apiVersion: ureg/v1\nkind: Gadget\nmetadata:\n  name: a\nspec:\n"


def check(text: str) -> tuple[Diagnostic, ...]:
    data = text.encode()
    (document,), found = parse("registry.d/a.yaml", data)
    assert found == ()
    return VALIDATOR.check(document, CATALOGUE.kinds["gadget"], data)


def of_spec(line: str) -> tuple[Diagnostic, ...]:
    return check(f"{HEAD}  {line}\n")


def test_a_sound_document_has_no_findings() -> None:
    assert (
        check(HEAD + "  size: 10\n  code: aa\n  token: {secretRef: vault}\n  target: {host: h}\n  amount: null\n") == ()
    )


# A line of the spec (line 6, from column 3), the error's code, its column, its sentence and a word of its hint.
CASES = [
    ("size: x", "type", 9, '"spec.size" must be an integer, not the string "x".', ""),
    ("size: 1.5", "type", 9, '"spec.size" must be an integer, not 1.5.', ""),
    ("size: [1]", "type", 9, '"spec.size" must be an integer, not a list.', ""),
    ("size: null", "type", 9, '"spec.size" must be an integer, not null.', ""),
    ("size: 0", "minimum", 9, '"spec.size" must be at least 1, not 0.', ""),
    ("size: 11", "maximum", 9, '"spec.size" must be at most 10, not 11.', ""),
    ("weight: 0", "exclusive-minimum", 11, '"spec.weight" must be more than 0, not 0.', ""),
    ("weight: 100", "exclusive-maximum", 11, '"spec.weight" must be less than 100, not 100.', ""),
    ("even: 3", "multiple-of", 9, '"spec.even" must be a multiple of 2, not 3.', ""),
    ("colour: rad", "enum", 11, '"spec.colour" must be one of "red", "green", "blue", not the string "rad".', '"red"'),
    ("code: bb", "pattern", 9, '"spec.code" must match the pattern ^(a+)+$, unlike the string "bb".', ""),
    ("code: a", "min-length", 9, '"spec.code" must have at least 2 characters, not 1.', ""),
    (f"code: {'a' * 99}", "max-length", 9, '"spec.code" must have at most 40 characters, not 99.', ""),
    (
        f"colour: {'r' * 99}",
        "enum",
        11,
        '"spec.colour" must be one of "red", "green", "blue", not a string of 99 characters.',
        "",
    ),
    ("code: 12", "type", 9, '"spec.code" must be a string, not 12.', "Put it in quotes, as it stands."),
    ("site: nowhere", "format", 9, '"spec.site" must be a valid uri, not the string "nowhere".', ""),
    ("spare: yes", "type", 10, '"spec.spare" must be true or false, not the string "yes".', "YAML 1.2"),
    ("tags: [a, a]", "unique-items", 9, '"spec.tags" must not hold the same item twice.', ""),
    ("tags: []", "min-items", 9, '"spec.tags" must have at least 1 item, not 0.', ""),
    ("few: [1, 2, 2]", "max-items", 8, '"spec.few" must have at most 2 items, not 3.', ""),
    ("few: [1, x]", "contains", 8, '"spec.few" lacks an item that its schema asks for.', ""),
    ("labels: {}", "min-properties", 11, '"spec.labels" must have at least 1 key, not 0.', ""),
    ("labels: {a: x, b: x, c: x}", "max-properties", 11, '"spec.labels" must have at most 2 keys, not 3.', ""),
    ("labels: {a: x, B: x}", "property-names", 18, '"B" cannot be a key in "spec.labels".', ""),
    ("labels: {n: x}", "type", 15, '"spec.labels.n" must be an integer, not the string "x".', ""),
    ("labels: {a: 1}", "type", 15, '"spec.labels.a" must be a string, not 1.', "Put it in quotes, as it stands."),
    ("target: 5", "one-of", 11, '"spec.target" must be a string or a mapping, not 5.', ""),
    ("target: {}", "required", 3, '"spec.target" lacks the key "host".', ""),
    ("target: {host: h, prt: 1}", "additional-properties", 21, '"prt" is not a known key in "spec.target".', '"port"'),
    ("amount: x", "any-of", 11, '"spec.amount" must be an integer or null, not the string "x".', ""),
    (
        "ambiguous: 3",
        "one-of",
        14,
        '"spec.ambiguous" fits more than one of the alternatives that its schema gives.',
        "",
    ),
    ("shapes: {c: 1}", "any-of", 11, '"spec.shapes" fits none of the alternatives that its schema gives.', ""),
    ("banned: this", "not", 11, '"spec.banned" must not be the string "this".', ""),
    ("never: 1", "false", 3, '"never" is not a known key in "spec".', ""),
    ("pair: {left: 1}", "dependent-required", 3, '"spec.pair" has the key "left" and so needs "right" too.', ""),
    ("pair: {mid: 1}", "unevaluated-properties", 10, '"mid" is not a known key in "spec.pair".', ""),
    ("choice: {if: 1}", "required", 3, '"spec.choice" lacks the key "then".', ""),
    ("parts: [{from: gadget/x}]", "required", 11, '"spec.parts[0]" lacks the key "name".', ""),
    ("parts: [{name: 5}]", "type", 18, '"spec.parts[0].name" must be a string, not 5.', "in quotes"),
    ("sise: 5", "additional-properties", 3, '"sise" is not a known key in "spec".', 'Did you mean "size"?'),
]


@pytest.mark.parametrize(("line", "code", "column", "summary", "hint"), CASES)
def test_each_error_is_told_at_its_place(line: str, code: str, column: int, summary: str, hint: str) -> None:
    (found,) = of_spec(line)
    assert (found.code, str(found.location)) == (f"schema-{code}", f"registry.d/a.yaml:6:{column}")
    assert found.summary == summary
    assert hint in found.hint
    assert found.address == "gadget/a"


def test_the_field_is_described_and_the_line_shown() -> None:
    (found,) = of_spec("size: 0")
    assert found.detail == "How large it is."
    assert found.location is not None
    assert found.location.source_line == "  size: 0"
    assert found.location.pointer == ("spec", "size")


def test_what_is_missing_or_wrong_at_the_top_of_a_document() -> None:
    found = check("apiVersion: ureg/v2\nkind: Gadget\nsate: on\n")
    assert [(one.code, str(one.location)) for one in found] == [
        ("schema-required", "registry.d/a.yaml:1:1"),
        ("schema-const", "registry.d/a.yaml:1:13"),
        ("schema-additional-properties", "registry.d/a.yaml:3:1"),
    ]
    assert found[0].summary == 'The document lacks the key "metadata".'
    assert found[0].detail == "Who it is."
    assert found[1].summary == '"apiVersion" must be the string "ureg/v1", not the string "ureg/v2".'
    assert found[2].hint == 'Did you mean "state"?'


def test_all_errors_are_told_in_the_order_of_the_text() -> None:
    found = check(HEAD + "  colour: rad\n  size: 0\n  parts:\n    - {}\n    - {nme: x}\n")
    assert [one.code for one in found] == [
        "schema-enum",
        "schema-minimum",
        "schema-required",
        "schema-required",
        "schema-additional-properties",
    ]


# Secrets: the word hunter2 may be in no field of any finding.

SECRETS = [
    "token: hunter2",
    "token: hunter2-and-more",
    "token: [hunter2]",
    "token: {value: hunter2}",
    "token: {secretRef: x, hunter2: y}",
    "token: {hunter2: x}",
    "token: |\n    hunter2\n    hunter2",
    "{token: hunter2, size: 0}",
    "keys: {a: hunter2}",
    "keys: {a: {secretRef: [hunter2]}}",
    "keys: {a: {secretRef: x, other: hunter2}}",
    "tokn: hunter2",
    "pass: {word: hunter2}",
    "pass:\n    - hunter2",
    "{pass: hunter2, size: 0}",
    "vault: {kind: plain, value: hunter2}",
    "vault: {kind: odd, value: hunter2}",
]


@pytest.mark.parametrize("line", SECRETS)
def test_no_finding_holds_a_secret(line: str) -> None:
    text = HEAD[:-1] + f" {line}\n" if line.startswith("{") else f"{HEAD}  {line}\n"
    found = check(text)
    assert found
    assert "hunter2" not in repr(found)


def test_a_secret_in_clear_is_refused_at_its_key_once() -> None:
    (found,) = of_spec("token: hunter2-is-too-long-too")
    assert (found.code, str(found.location)) == ("sensitive-value", "registry.d/a.yaml:6:3")
    assert found.summary == '"spec.token" is sensitive and must be a reference to a secret.'
    assert found.detail == "Its password."
    assert found.location is not None
    assert found.location.source_line == "  token: …"


def test_a_secret_that_its_schema_accepts_is_refused_too() -> None:
    (found,) = of_spec("token: abc")
    assert found.code == "sensitive-value"


# Hostile input: what would take Python's re, a quadratic comparison or a suggestion for every key minutes or more.


def test_a_backtracking_pattern_takes_no_time() -> None:
    found = of_spec(f"code: {'a' * 30000}!")
    assert {one.code for one in found} == {"schema-pattern", "schema-max-length"}


def test_many_items_are_compared_in_no_time() -> None:
    items = [{"a": number} for number in range(2999)]
    assert [one.code for one in of_spec(f"tags: {json.dumps([*items, items[0]])}")] == ["schema-unique-items"]


@pytest.mark.parametrize("before", ["links: ", "labels: ", ""])
def test_of_many_errors_the_first_are_told(before: str) -> None:
    entries = "{" + ", ".join(f"k{number}: 1" for number in range(5000)) + "}"
    found = check(f"{HEAD[:-1]} {{{before}{entries}}}\n" if before else f"{HEAD[:-1]} {entries}\n")
    assert len(found) == MAX_FINDINGS + 1
    assert sum(one.code == "too-many-errors" for one in found) == 1


def test_a_value_that_json_cannot_say_is_refused() -> None:
    document = Document("a.yaml", 0, 1, {"apiVersion": "\ud800"})
    found = VALIDATOR.check(document, CATALOGUE.kinds["gadget"], b"apiVersion: x\n")
    assert "schema-json" in {one.code for one in found}


def test_a_broken_schema_is_told_and_nothing_is_raised() -> None:
    catalogue = load_catalogue(
        {
            "schemas/gadget.schema.json": (HERE / "gadget.schema.json")
            .read_bytes()
            .replace(b'"type": "integer", "minimum"', b'"$ref": "none.schema.json", "minimum"')
        }
    )[0]
    found = Validator(catalogue).check(Document("a.yaml", 0, 1, {}), catalogue.kinds["gadget"], b"{}")
    assert [(one.code, str(one.location)) for one in found] == [("schema-unusable", "schemas/gadget.schema.json")]


# The two libraries agree.

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab1 é\n", max_size=5)
    | st.sampled_from(["red", "ureg/v1", "Gadget", "https://a.b/", "this", 1.0, 10, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "n1", "host", "name"]), inner),
    max_leaves=6,
)
_MANIFEST: dict[str, Any] = {
    "apiVersion": "ureg/v1",
    "kind": "Gadget",
    "metadata": {"name": "a", "dependsOn": ["gadget/b"]},
    "state": "on",
    "spec": {
        "size": 3, "even": 4, "weight": 1.5, "colour": "red", "code": "aaa", "site": "https://a.b/", "spare": True,
        "token": {"secretRef": "x"}, "keys": {"a": {"secretRef": "x"}}, "tags": ["x", 1, True], "few": [2],
        "labels": {"a": "x", "n": 1}, "target": {"host": "h", "port": 1}, "amount": None, "ambiguous": 1,
        "shapes": {"a": 1}, "banned": "that", "choice": {"then": 1}, "parts": [{"name": "a", "from": "gadget/x"}],
        "links": {"x": "y"},
    },
}  # fmt: skip


def _places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for token, item in items for place in _places(item, (*at, token)))]


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    manifest: Any = json.loads(json.dumps(_MANIFEST))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(_places(manifest)[1:] or [("spec",)]))
        parent = manifest
        for token in place[:-1]:
            parent = parent[token]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            parent[place[-1]] = draw(_JSON)
        elif action == "remove":
            del parent[place[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.text("abn", min_size=1, max_size=3))] = draw(_JSON)
    return manifest


def _without_unevaluated(catalogue: Catalogue) -> dict[str, Any]:
    """The gadget's schema without the one keyword that only the decider is asked about."""
    schema = json.loads(json.dumps(catalogue.schemas["gadget.schema.json"]))
    del schema["properties"]["spec"]["properties"]["pair"]["unevaluatedProperties"]
    return {"gadget.schema.json": schema}


_SCHEMAS = _without_unevaluated(CATALOGUE)
_JUDGE = Judge(_SCHEMAS)


@settings(max_examples=250, deadline=None)
@given(_mutated())
def test_the_explainer_agrees_with_the_decider(manifest: Any) -> None:
    refused = list(refusals(_SCHEMAS, url("gadget.schema.json"), manifest))
    assert _JUDGE.accepts("gadget.schema.json", manifest) is (not refused)
    document = Document("a.yaml", 0, 1, manifest)
    found = VALIDATOR.check(document, CATALOGUE.kinds["gadget"], json.dumps(manifest).encode())
    assert bool(found) or not refused
