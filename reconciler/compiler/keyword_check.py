"""Judges the keywords of a schema file that JSON Schema leaves open: references, patterns and `x-` keywords."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from reconciler.compiler.annotations import CHECKS, KEYWORDS
from reconciler.compiler.check_shapes import check_shape
from reconciler.compiler.finding import Finding, clip
from reconciler.compiler.judge import is_pattern
from reconciler.compiler.schema import METASCHEMA, Place, Schemas, applicable, in_place, resolve, walk
from reconciler.compiler.suggest import closest, did_you_mean
from reconciler.model.diagnostics import Pointer

MAX_WEIGHT = 10_000
"""How many subschemas may speak of one value, each counted as often as it is referred to."""

_UNSUPPORTED = ("$id", "$schema", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary")
_ANY = "*"
_SPEC = ("properties", "spec", "properties")


def check_keywords(file: str, schema: Mapping[str, Any], schemas: Schemas, kinds: tuple[str, ...]) -> Iterator[Finding]:
    """What is wrong with the keywords anywhere in `schema`; `kinds` are the names that `x-references` may give."""
    yield from _dialect(schema)
    weights: dict[int, int] = {}
    for pointer, node in walk(schema):
        yield from _reference(Place(file, node), pointer, schemas)
        yield from _patterns(node, pointer)
        yield from _annotations(node, pointer, kinds)
        yield from _unsupported(node, pointer)
    if any(_weight(Place(file, node), schemas, weights) > MAX_WEIGHT for _, node in walk(schema)):
        summary = f"The schema's references multiply to more than {MAX_WEIGHT} subschemas for one value."
        yield Finding("schema-weight", summary)


def _dialect(schema: Mapping[str, Any]) -> Iterator[Finding]:
    if schema.get("$schema", METASCHEMA) != METASCHEMA:
        yield Finding(
            "schema-dialect", "The schema is not written in draft 2020-12.", ("$schema",), f"Use {METASCHEMA}."
        )


def _unsupported(node: Mapping[str, Any], pointer: Pointer) -> Iterator[Finding]:
    for keyword in _UNSUPPORTED:
        if keyword in node and (pointer or keyword not in ("$id", "$schema")):
            hint = 'Name definitions under "$defs" and refer to them by "$ref".'
            yield Finding(
                "schema-unsupported", f'"{keyword}" cannot be used here.', (*pointer, keyword), hint, on_key=True
            )


def _reference(place: Place, pointer: Pointer, schemas: Schemas) -> Iterator[Finding]:
    reference = place.node.get("$ref")
    if not isinstance(reference, str) or reference == METASCHEMA:
        return
    at = (*pointer, "$ref")
    path = reference.partition("#")[0].removeprefix("./")
    target = resolve(reference, place.file, schemas)
    if any(sign in path for sign in "/\\:"):
        yield Finding("schema-reference", "The reference leaves the schemas folder.", at, "Nothing is ever fetched.")
    elif target is None:
        yield Finding(
            "schema-reference", f'There is no "{clip(reference)}".', at, _nearest(reference, place.file, schemas)
        )
    elif any(one.node is place.node for one in applicable([target], schemas)):
        yield Finding("schema-reference", "The reference leads back to itself.", at)


def _nearest(reference: str, file: str, schemas: Schemas) -> str:
    path, _, fragment = reference.partition("#")
    if path and path not in schemas:
        return did_you_mean(path, schemas)
    definitions = schemas[path or file].get("$defs")
    known = [f"{path}#/$defs/{name}" for name in definitions] if isinstance(definitions, dict) else []
    return did_you_mean(f"{path}#{fragment}", known)


def _patterns(node: Mapping[str, Any], pointer: Pointer) -> Iterator[Finding]:
    pattern, patterns = node.get("pattern"), node.get("patternProperties")
    if isinstance(pattern, str) and not is_pattern(pattern):
        yield _bad_pattern((*pointer, "pattern"), on_key=False)
    for text in patterns if isinstance(patterns, dict) else ():
        if not is_pattern(text):
            yield _bad_pattern((*pointer, "patternProperties", text), on_key=True)


def _bad_pattern(pointer: Pointer, *, on_key: bool) -> Finding:
    summary = "This is no regular expression whose time is linear in the text."
    hint = "Look-around and back-references cannot be used, nor very large repetitions."
    return Finding("schema-regex", summary, pointer, hint, on_key=on_key)


def _annotations(node: Mapping[str, Any], pointer: Pointer, kinds: tuple[str, ...]) -> Iterator[Finding]:
    for keyword in [keyword for keyword in node if keyword.startswith("x-")]:
        at = (*pointer, keyword)
        if keyword not in KEYWORDS:
            meant = closest(keyword, KEYWORDS)
            hint = f'Did you mean "{meant}"?'
            yield from (
                [Finding("annotation-unknown", f'"{clip(keyword)}" means nothing.', at, hint, "", True)]
                if meant
                else []
            )
        elif keyword == "x-references":
            yield from _references(node[keyword], at, kinds)
        elif keyword == "x-key":
            yield from _key(node, at)
        elif keyword in CHECKS:
            yield from check_shape(keyword, node, at)
        elif not isinstance(node[keyword], bool):
            yield Finding("annotation-shape", f'"{keyword}" must be true or false.', at)
        elif keyword == "x-node" and pointer[:-1] != _SPEC:
            yield Finding("annotation-node", '"x-node" can only stand at a property of the spec.', at, on_key=True)


def _references(value: Any, at: Pointer, kinds: tuple[str, ...]) -> Iterator[Finding]:
    if not isinstance(value, list) or not value or not all(isinstance(kind, str) for kind in value):
        yield Finding("annotation-shape", '"x-references" must be a list of kinds.', at)
        return
    for index, kind in enumerate(value):
        if kind not in kinds and kind != _ANY:
            hint = did_you_mean(kind, kinds)
            yield Finding("annotation-kind", f'There is no kind "{clip(kind)}".', (*at, index), hint)


def _key(node: Mapping[str, Any], at: Pointer) -> Iterator[Finding]:
    if not isinstance(node["x-key"], str):
        yield Finding("annotation-shape", '"x-key" must be the name of a property.', at)
    elif node.get("type") != "array":
        yield Finding("annotation-key", '"x-key" can only stand beside "type": "array".', at, on_key=True)


def _weight(place: Place, schemas: Schemas, known: dict[int, int]) -> int:
    """How many subschemas speak of the value that `place` speaks of, at most one more than MAX_WEIGHT."""
    node = place.node
    if not isinstance(node, dict):
        return 1
    if id(node) not in known:
        known[id(node)] = 1
        known[id(node)] = min(MAX_WEIGHT + 1, 1 + sum(_weight(one, schemas, known) for one in _parts(place, schemas)))
    return known[id(node)]


def _parts(place: Place, schemas: Schemas) -> Iterable[Place]:
    reference = place.node.get("$ref")
    target = resolve(reference, place.file, schemas) if isinstance(reference, str) else None
    same_value = (Place(place.file, node) for node in in_place(place.node))
    return chain([target] if target else [], same_value)
