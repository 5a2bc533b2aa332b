"""Schema files: loading them into a catalogue, and every mistake in them at its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.compiler.kinds import check_catalogue, load_catalogue
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.kind import Field
from reconciler.model.lifecycle import SIMPLE, Verb
from reconciler.model.units import duration

HERE = Path(__file__).parent
BUILT_IN = {f"schemas/{path.name}": path.read_bytes() for path in (HERE.parents[1] / "schemas").glob("*.json")}
OWN = {f"schemas/{path.name}": path.read_bytes() for path in HERE.glob("*.schema.json")}
ALL = {**BUILT_IN, **OWN}
GADGET = "schemas/gadget.schema.json"


def test_the_built_in_schemas_are_sound() -> None:
    catalogue, found = load_catalogue(BUILT_IN)
    assert found == ()
    assert check_catalogue(BUILT_IN, catalogue) == ()
    assert {"component", "service", "gridnode"} <= catalogue.kinds.keys()


def test_a_kind_is_what_its_file_says() -> None:
    catalogue, found = load_catalogue(ALL)
    assert found == ()
    assert check_catalogue(ALL, catalogue) == ()
    kind = catalogue.kinds["gadget"]
    assert (kind.name, kind.plural, kind.aliases, kind.driver) == ("Gadget", "gadgets", ("gd",), "record")
    assert (kind.files, kind.schema_path) == ("", GADGET)
    assert kind.lifecycle.states == ("off", "on")
    assert kind.lifecycle.default == "on"
    assert kind.lifecycle.aliases == {"enable": "start"}
    assert kind.lifecycle.verbs["start"] == Verb("start", ("off",), "on", timeout=30.0)
    assert kind.lifecycle.verbs["update"] == Verb("update", ("off", "on"))
    assert kind.lifecycle.verbs["kick"] == Verb("kick", ("on",), on_demand=True)
    assert catalogue.find("GD") is kind
    gizmo = catalogue.kinds["gizmo"]
    assert gizmo.lifecycle is SIMPLE
    assert gizmo.files == "gizmos/*.yml"


def test_the_digest_changes_with_any_name_or_content_and_only_with_them() -> None:
    digest = load_catalogue(ALL)[0].digest
    assert load_catalogue(dict(reversed(ALL.items())))[0].digest == digest
    assert load_catalogue({**ALL, GADGET: ALL[GADGET] + b"\n"})[0].digest != digest
    assert load_catalogue({path: data for path, data in ALL.items() if path != GADGET})[0].digest != digest
    assert load_catalogue({f"elsewhere/{path}": data for path, data in ALL.items()})[0].digest == digest


def test_annotations_are_read_through_references_and_branches() -> None:
    schema = {
        "properties": {
            "one": {"$ref": "#/$defs/secret", "x-immutable": True},
            "far": {"$ref": "shared.schema.json#/$defs/a~1b"},
            "either": {"anyOf": [{"x-sensitive": True}, {"items": {"x-references": ["Gadget"]}}]},
            "open": {"properties": {"plain": {}}, "additionalProperties": {"x-immutable": True}},
            "matching": {"patternProperties": {"^x": {"x-sensitive": True}}},
            "nothing": {"type": "string"},
        },
        "$defs": {"secret": {"x-sensitive": True}},
        "x-ureg": {"kind": "Thing", "plural": "things", "driver": "record"},
    }
    shared = {"$defs": {"a/b": {"items": {"x-key": "unused"}, "x-key": "name"}}}
    files = {"thing.schema.json": json.dumps(schema).encode(), "shared.schema.json": json.dumps(shared).encode()}
    catalogue, found = load_catalogue(files)
    assert found == ()
    fields = catalogue.kinds["thing"].fields.properties
    none = Field({})
    assert fields == {
        "one": Field({}, immutable=True, sensitive=True),
        "far": Field({}, items=Field({}, key="unused"), key="name"),
        "either": Field({}, items=Field({}, references=("Gadget",)), sensitive=True),
        "open": Field({"plain": none}, additional=Field({}, immutable=True)),
        "matching": Field({}, additional=Field({}, sensitive=True)),
    }


@pytest.mark.parametrize(("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("12h", 43200)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "1.5s", "5d", "5sm", "٣s5"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(text)


# What is wrong with a schema file. Each case changes the gadget's schema and names the text at whose start the error
# is, the error's code, and a word of its hint.


def _at(*keys: str | int) -> Callable[[Any], Any]:
    def find(schema: Any) -> Any:
        for key in keys:
            schema = schema[key]
        return schema

    return find


_BLOCK = _at("x-ureg")
_LIFECYCLE = _at("x-ureg", "lifecycle")
_VERBS = _at("x-ureg", "lifecycle", "verbs")
_SPEC = _at("properties", "spec", "properties")


CASES: list[tuple[str, Callable[[Any], Any], dict[str, Any], str, str, str]] = [
    ("schema-additional-properties", _BLOCK, {"drver": 1}, '"drver"', "", ""),
    ("schema-additional-properties", _LIFECYCLE, {"defualt": "on"}, '"defualt"', "", ""),
    ("schema-type", _BLOCK, {"driver": 55}, "55", "", ""),
    ("schema-pattern", _BLOCK, {"driver": "bad name"}, '"bad name"', "", ""),
    ("lifecycle-unknown-state", _VERBS, {"start": {"from": "of", "to": "on"}}, '"of"', "off", ""),
    ("lifecycle-unknown-state", _VERBS, {"start": {"from": ["off", "onn"], "to": "on"}}, '"onn"', '"on"', ""),
    ("lifecycle-unknown-state", _VERBS, {"start": {"from": "off", "to": "onwards"}}, '"onwards"', "", ""),
    ("lifecycle-default", _LIFECYCLE, {"default": "onn"}, '"onn"', '"on"', ""),
    ("lifecycle-state", _LIFECYCLE, {"states": ["off", "on", "off"]}, '"off"', "", '["off", "on", '),
    ("lifecycle-unreachable", _VERBS, {"start": {"from": "off", "to": "off"}}, '"on"', "", '"states": ["off", '),
    ("lifecycle-no-return", _VERBS, {"stop": {"from": "on", "to": "on"}}, '"on"', "", '"states": ["off", '),
    ("lifecycle-two-updates", _VERBS, {"tune": {"from": "on"}}, '"tune"', "onDemand", ""),
    ("lifecycle-alias", _LIFECYCLE, {"aliases": {"enable": "strat"}}, '"strat"', "start", ""),
    ("lifecycle-alias", _LIFECYCLE, {"aliases": {"stop": "stop"}}, '"stop": "stop"', "", ""),
    ("schema-pattern", _VERBS, {"start": {"from": "off", "to": "on", "timeout": "soon"}}, '"soon"', "", ""),
    ("kind-name-taken", _BLOCK, {"plural": "components"}, '"components"', "", ""),
    ("kind-name-taken", _BLOCK, {"aliases": ["gd", "component"]}, '"component"', "", '"gd", '),
    ("kind-const", _at("properties", "kind"), {"const": "Gadgets"}, '"Gadgets"', "", ""),
    ("kind-state", _at("properties", "state"), {"enum": ["off", "on", "onn"]}, '"onn"', '"on"', ""),
    ("kind-state", _at("properties", "state"), {"enum": ["off"]}, '"enum": ["off"]', "", ""),
    ("annotation-kind", _SPEC, {"parent": {"x-references": ["Gadgt"]}}, '"Gadgt"', "Gadget", ""),
    ("annotation-key", _SPEC, {"size": {"type": "object", "x-key": "name"}}, '"x-key"', "", ""),
    ("annotation-unknown", _SPEC, {"size": {"x-sensitve": True}}, '"x-sensitve"', "x-sensitive", ""),
    ("kind-hosts", _BLOCK, {"hosts": "onn"}, '"onn"', '"on"', ""),
    ("annotation-node", _SPEC, {"size": {"properties": {"on": {"x-node": True}}}}, '"x-node"', "", ""),
    ("annotation-shape", _SPEC, {"size": {"x-immutable": "yes"}}, '"yes"', "", ""),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-immutable": "yes"}]}}, '"yes"', "", ""),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-references": "Gadget"}]}}, '"Gadget"', "", '"x-references": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-key": 5}]}}, "5", "", '"x-key": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-version": "yes"}]}}, '"yes"', "", ""),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-one-of": 5}]}}, "5", "", '"x-one-of": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-logic": ""}]}}, '""', "", '"x-logic": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-requires": {"name": "x"}}]}}, "{", "", '"x-requires": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-covers": "ports"}]}}, '"ports"', "", '"x-covers": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-covers": {"list": "a", "by": 1}}]}}, "{", "", '"x-covers": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-unique": "port"}]}}, '"port"', "", '"x-unique": '),
    ("annotation-shape", _SPEC, {"size": {"allOf": [{"x-unique": {"scope": "s", "by": 1}}]}}, "1", "", '"by": '),
    (
        "annotation-shape",
        _SPEC,
        {"size": {"allOf": [{"x-unique": {"scope": "s", "by": {"a": {"values": {"x": 1}}}}}]}},
        "{",
        "",
        '"a": ',
    ),
    (
        "annotation-property",
        _SPEC,
        {"size": {"properties": {"who": {}, "range": {}}, "x-requires": {"name": "hwo", "range": "range"}}},
        '"hwo"',
        '"who"',
        "",
    ),
    (
        "annotation-property",
        _SPEC,
        {"size": {"properties": {"who": {}}, "x-covers": {"list": "a", "by": "who", "when": {"hwo": "x"}}}},
        '"x"',
        '"who"',
        "",
    ),
    ("kind-state", _BLOCK, {"holds": ["on", "onn"]}, '"onn"', '"on"', ""),
    ("kind-state", _BLOCK, {"deprecated": ["of"]}, '"of"', '"off"', ""),
    ("schema-reference", _SPEC, {"size": {"$ref": "#/$defs/none"}}, '"#/$defs/none"', "", ""),
    (
        "schema-reference",
        _SPEC,
        {"size": {"$ref": "comon.schema.json"}},
        '"comon.schema.json"',
        "common.schema.json",
        "",
    ),
    (
        "schema-reference",
        _SPEC,
        {"size": {"$ref": "common.schema.json#/$defs/nam"}},
        '"common.schema.json#',
        "/name",
        "",
    ),
    ("schema-reference", _SPEC, {"size": {"$ref": "http://127.0.0.1:1/x"}}, '"http:', "fetched", ""),
    ("schema-reference", _SPEC, {"size": {"$ref": "file:///etc/passwd"}}, '"file:', "fetched", ""),
    ("schema-reference", _SPEC, {"size": {"$ref": "../common.schema.json"}}, '"../', "fetched", ""),
    ("schema-reference", _SPEC, {"size": {"$ref": "/etc/passwd"}}, '"/etc', "fetched", ""),
    ("schema-reference", _SPEC, {"size": {"$ref": "#/properties/spec/properties/size"}}, '"#/properties', "", ""),
    ("schema-unsupported", _SPEC, {"size": {"$id": "http://x/"}}, '"$id": "http', "$defs", ""),
    ("schema-unsupported", _SPEC, {"size": {"$dynamicRef": "#x"}}, '"$dynamicRef"', "$defs", ""),
    ("schema-regex", _SPEC, {"size": {"pattern": "(?=a)b"}}, '"(?=a)b"', "Look-around", ""),
    ("schema-regex", _SPEC, {"size": {"patternProperties": {"(": {}}}}, '"("', "", ""),
    ("schema-enum", _SPEC, {"size": {"type": "integr"}}, '"integr"', "integer", ""),
    ("schema-type", _SPEC, {"size": {"minimum": "one"}}, '"one"', "", ""),
    ("schema-dialect", _at(), {"$schema": "http://json-schema.org/draft-07/schema#"}, '"http:', "", ""),
]


def _place(data: bytes, before: str, text: str) -> str:
    """line:column of the one place where `text` stands behind `before`."""
    whole = data.decode()
    start = whole.index(before + text) + len(before)
    return f"{GADGET}:{whole.count(chr(10), 0, start) + 1}:{start - whole.rfind(chr(10), 0, start)}"


@pytest.mark.parametrize(("code", "find", "change", "text", "hint", "before"), CASES)
def test_each_mistake_is_told_at_its_place(
    code: str, find: Callable[[Any], Any], change: dict[str, Any], text: str, hint: str, before: str
) -> None:
    schema = json.loads(ALL[GADGET])
    find(schema).update(change)
    data = json.dumps(schema).encode()
    found = _check({**ALL, GADGET: data})
    assert [(one.code, str(one.location)) for one in found] == [(code, _place(data, before, text))]
    assert hint in found[0].hint
    assert found[0].summary.endswith(".")


def _check(files: dict[str, bytes]) -> tuple[Diagnostic, ...]:
    """What both functions say: the same where both speak."""
    catalogue, loaded = load_catalogue(files)
    found = check_catalogue(files, catalogue)
    assert loaded in ((), found)
    return found


def test_a_file_that_is_no_json_is_told_where_it_breaks() -> None:
    catalogue, found = load_catalogue({**ALL, "schemas/x.schema.json": b'{\n  "\xc3\xa9": 1,\n  "b": oops\n}'})
    assert [(one.code, str(one.location)) for one in found] == [("json-syntax", "schemas/x.schema.json:3:8")]
    assert found[0].location is not None
    assert found[0].location.source_line == '  "b": oops'
    assert "gadget" in catalogue.kinds


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[1]", b"null", b'{"x-ureg": 5}', b'{"x-ureg": {"kind": []}}', b"[" * 5000]
)
def test_a_broken_file_leaves_the_others_in_peace(data: bytes) -> None:
    files = {**ALL, "schemas/x.schema.json": data}
    catalogue, found = load_catalogue(files)
    assert catalogue.kinds.keys() == load_catalogue(ALL)[0].kinds.keys()
    assert found
    assert {one.location.path for one in found if one.location} == {"schemas/x.schema.json"}


def test_a_broken_block_is_told_even_without_the_schema_of_kinds() -> None:
    _, found = load_catalogue({"x.schema.json": b'{"x-ureg": {"kind": 5}}'})
    assert [one.code for one in found] == ["kind-unreadable"]


def test_two_files_of_one_name_are_refused() -> None:
    _, found = load_catalogue({"a/x.schema.json": b"{}", "b/x.schema.json": b"{}"})
    assert [(one.code, one.location.path) for one in found if one.location] == [("schema-name", "b/x.schema.json")]


def test_annotations_in_a_recursive_definition_are_refused() -> None:
    schema = json.loads(ALL[GADGET])
    schema["$defs"] = {"tree": {"properties": {"below": {"$ref": "#/$defs/tree"}, "secret": {"x-sensitive": True}}}}
    schema["properties"]["spec"]["properties"]["tree"] = {"$ref": "#/$defs/tree"}
    found = _check({**ALL, GADGET: json.dumps(schema).encode()})
    assert [(one.code, one.location.pointer) for one in found if one.location] == [
        ("schema-recursive", ("$defs", "tree"))
    ]


def test_references_that_multiply_are_refused_at_once() -> None:
    schema = json.loads(ALL[GADGET])
    steps = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
    schema["$defs"] = {**steps, "d60": {"type": "string"}}
    found = _check({**ALL, GADGET: json.dumps(schema).encode()})
    assert [one.code for one in found] == ["schema-weight"]


def test_a_schema_nested_too_deep_is_refused() -> None:
    deep = b'{"not": ' * 200 + b"{}" + b"}" * 200
    found = _check({**ALL, "schemas/deep.schema.json": deep})
    assert [one.code for one in found] == ["schema-depth"]
