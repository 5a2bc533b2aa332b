"""Kinds made up for the tests of what is checked beyond the shape of documents, and their documents."""

from __future__ import annotations

from typing import Any

import orjson

from reconciler.compiler.compile import compile_file
from reconciler.compiler.kinds import check_catalogue, load_catalogue
from reconciler.compiler.validate import Validator
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.resource import Resource

LIFECYCLE = {
    "states": ["on", "off", "leaving"],
    "default": "on",
    "verbs": {
        "add": {"from": "absent", "to": "off"},
        "start": {"from": "off", "to": "on"},
        "leave": {"from": "on", "to": "leaving"},
        "stop": {"from": ["on", "leaving"], "to": "off"},
        "remove": {"from": "off", "to": "absent"},
        "update": {"from": ["on", "off", "leaving"]},
    },
}
DOOR = {
    "scope": "door",
    "by": {
        "house": {"field": "house", "values": {"home": "here"}, "else": "here"},
        "floor": {"field": "floor", "values": {"every": "*"}},
    },
}
SPEC = {
    "house": {"type": ["string", "object"], "x-references": ["House"]},
    "doors": {
        "type": "array",
        "items": {"type": "object", "properties": {"number": {"type": "integer", "x-unique": DOOR}, "floor": {}}},
    },
    "rooms": {"type": "array", "items": {"type": "object"}, "x-key": "name"},
    "beds": {
        "type": "object",
        "properties": {"rooms": {"type": "object"}, "for": {"type": "string"}},
        "x-covers": {"list": "rooms", "by": "rooms", "when": {"for": "all"}},
    },
    "spare": {"type": "object", "additionalProperties": {"type": "integer", "x-unique": DOOR}},
    "version": {"type": "string", "x-version": True},
    "needs": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"thing": {"type": "string", "x-references": ["Thing"]}, "range": {"type": "string"}},
            "x-requires": {"name": "thing", "range": "range"},
        },
    },
    "uses": {"type": "array", "items": {"type": "string", "x-references": ["Thing"]}},
    "variants": {"type": "object"},
    "default": {"type": "string", "x-one-of": "variants"},
    "rule": {"type": "object", "x-logic": "variants"},
    "inner": {"type": "object", "additionalProperties": {"properties": {"default": {"x-one-of": "variants"}}}},
}


def _schema(block: dict[str, Any], spec: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": "object", "properties": {"spec": {"properties": spec}}, "x-ureg": block})


FILES = {
    "schemas/thing.schema.json": _schema(
        {
            "kind": "Thing",
            "plural": "things",
            "driver": "record",
            "holds": ["on", "leaving"],
            "deprecated": ["leaving"],
            "lifecycle": LIFECYCLE,
        },
        SPEC,
    ),
    "schemas/house.schema.json": _schema({"kind": "House", "plural": "houses", "driver": "record"}, {}),
    "schemas/gate.schema.json": _schema(
        {"kind": "Gate", "plural": "gates", "driver": "record"},
        {"door": {"type": "integer", "x-unique": {"scope": "door", "by": {"house": {"else": "here"}}}}},
    ),
    "schemas/plain.schema.json": orjson.dumps(
        {
            "properties": {"door": {"x-unique": {"scope": "door", "by": {"house": {"else": "here"}}}}},
            "x-ureg": {"kind": "Plain", "plural": "plains", "driver": "record", "files": "plain/*.yml"},
        }
    ),
}
CATALOGUE, FOUND = load_catalogue(FILES)
assert (FOUND, check_catalogue(FILES, CATALOGUE)) == ((), ())
VALIDATOR = Validator(CATALOGUE)


def document(kind: str, name: str, spec: dict[str, Any], state: str = "") -> dict[str, Any]:
    body = {"apiVersion": "ureg/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return {**body, "state": state} if state else body


def compiled(*documents: dict[str, Any], path: str = "registry.d/a.yaml") -> tuple[tuple[Resource, ...], Diagnostics]:
    """What the file with `documents`, one a line, gives."""
    data = b"\n---\n".join(orjson.dumps(one) for one in documents)
    return compile_file(path, data, CATALOGUE, VALIDATOR, None)


def thing(name: str, state: str = "", **spec: Any) -> Resource:
    """A thing in a file of its own."""
    (resource,), found = compiled(document("Thing", name, spec, state), path=f"registry.d/{name}.yaml")
    assert found == ()
    return resource
