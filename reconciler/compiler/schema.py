"""The shape of a JSON Schema document: where its subschemas stand, and what a `$ref` names.

A schema file is known by its base name. A `$ref` is a JSON pointer into the same file or into another file of the
folder, so that nothing is ever fetched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from reconciler.model.diagnostics import Pointer

Schemas: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Every schema document, by base name."""

METASCHEMA = "https://json-schema.org/draft/2020-12/schema"

BRANCHES = ("allOf", "anyOf", "oneOf")
CONDITIONS = ("if", "then", "else")
_SINGLE = (
    *CONDITIONS,
    "not",
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_LISTS = (*BRANCHES, "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs")


class Place(NamedTuple):
    """A subschema and the file that it stands in."""

    file: str
    node: Any


def base_name(path: str) -> str:
    return path.rpartition("/")[2]


def walk(node: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, Mapping[str, Any]]]:
    """`node` and every subschema below it that is an object, with its place."""
    pending = [(pointer, node)]
    while pending:
        at, current = pending.pop()
        if isinstance(current, dict):
            yield at, current
            pending += [(at + step, child) for step, child in _children(current)]


def _children(node: Mapping[str, Any]) -> Iterator[tuple[Pointer, Any]]:
    for keyword, value in node.items():
        if keyword in _SINGLE:
            yield (keyword,), value
        elif keyword in _LISTS and isinstance(value, list):
            yield from (((keyword, index), child) for index, child in enumerate(value))
        elif keyword in _MAPS and isinstance(value, dict):
            yield from (((keyword, name), child) for name, child in value.items())


def in_place(node: Mapping[str, Any]) -> Iterator[Any]:
    """The subschemas of `node` that speak of the same value as `node` does, without what `$ref` and `not` name."""
    for keyword in BRANCHES:
        if keyword in node and isinstance(node[keyword], list):
            yield from node[keyword]
    for keyword in CONDITIONS:
        if keyword in node:
            yield node[keyword]
    dependent = node.get("dependentSchemas")
    if isinstance(dependent, dict):
        yield from dependent.values()


def resolve(reference: str, file: str, schemas: Schemas) -> Place | None:
    """What `reference`, written in `file`, names; None where there is nothing."""
    path, _, fragment = reference.partition("#")
    target = path.removeprefix("./") or file
    node: Any = schemas.get(target)
    if fragment and not fragment.startswith("/"):
        return None
    for token in _tokens(fragment):
        node = _step(node, token)
    return None if node is None else Place(target, node)


def _tokens(fragment: str) -> list[str]:
    if "%" in fragment:
        from urllib.parse import unquote

        fragment = unquote(fragment)
    return [token.replace("~1", "/").replace("~0", "~") for token in fragment.split("/")[1:]]


def _step(node: Any, token: str) -> Any:
    if isinstance(node, dict):
        return node.get(token)
    if isinstance(node, list) and token.isdecimal() and int(token) < len(node):
        return node[int(token)]
    return None


def applicable(places: list[Place], schemas: Schemas) -> list[Place]:
    """`places` and every subschema that speaks of the same value, nearest first."""
    found: dict[int, Place] = {}
    pending = deque(places)
    while pending:
        current = pending.popleft()
        if not isinstance(current.node, dict) or id(current.node) in found:
            continue
        found[id(current.node)] = current
        reference = current.node.get("$ref")
        target = resolve(reference, current.file, schemas) if isinstance(reference, str) else None
        pending += [target] if target else []
        pending += [Place(current.file, node) for node in in_place(current.node)]
    return list(found.values())


def describe(file: str, schemas: Schemas, pointer: Pointer) -> str:
    """What the schema `file` says in words about the value at `pointer` of a document, "" where it says nothing."""
    texts = (place.node.get("description") for place in _places(file, schemas, pointer))
    return next((text for text in texts if isinstance(text, str)), "")


def property_names(file: str, schemas: Schemas, pointer: Pointer) -> list[str]:
    """The keys that the schema `file` names for the mapping at `pointer` of a document."""
    named = (place.node.get("properties") for place in _places(file, schemas, pointer))
    return [name for properties in named if isinstance(properties, dict) for name in properties]


def _places(file: str, schemas: Schemas, pointer: Pointer) -> list[Place]:
    places = applicable([Place(file, schemas.get(file))], schemas)
    for token in pointer:
        places = applicable(
            [Place(place.file, node) for place in places for node in _below(place.node, token)], schemas
        )
    return places


def _below(node: Mapping[str, Any], token: str | int) -> list[Any]:
    if isinstance(token, int):
        return [node["items"]] if "items" in node else []
    named = node.get("properties")
    if isinstance(named, dict) and token in named:
        return [named[token]]
    return [node["additionalProperties"]] if "additionalProperties" in node else []
