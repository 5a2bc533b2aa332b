"""Schema files become the catalogue of kinds.

Loading runs at every start and does no more than it must; the thorough check of the schemas themselves is a function
of its own, for whoever sees them for the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from hashlib import blake2b
from typing import Any

import orjson

from reconciler.compiler.annotations import FieldReader
from reconciler.compiler.schema import base_name
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location
from reconciler.model.kind import Catalogue, Field, Kind
from reconciler.model.lifecycle import SIMPLE, Lifecycle, Verb
from reconciler.model.units import duration

BLOCK = "x-ureg"


class Unreadable(Exception):
    """The block of a schema file does not describe a kind."""


def load_catalogue(files: Mapping[str, bytes]) -> tuple[Catalogue, Diagnostics]:
    """The kinds that the schema files (path to content) describe, in a few milliseconds.

    A file that cannot be read as a schema, and a kind that cannot be read or whose names are taken, are left out and
    told: the diagnostics are then those of `check_catalogue`. Schemas that can be read are not judged here.
    """
    schemas = {base_name(path): schema for path in sorted(files) if (schema := _schema(files[path])) is not None}
    paths = {base_name(path): path for path in sorted(files, reverse=True)}
    kinds, refused = _kinds(schemas, paths)
    catalogue = Catalogue(kinds, _digest(files), schemas)
    if not refused and len(schemas) == len(files):
        return catalogue, ()
    told = check_catalogue(files, catalogue)
    return catalogue, told or tuple(left_out(paths[name]) for name in refused)


def check_catalogue(files: Mapping[str, bytes], catalogue: Catalogue) -> Diagnostics:
    """Everything that is wrong with the schema files that `catalogue` was loaded from: whether they are JSON Schemas
    and what the `x-` keywords and the lifecycles say. Costs tens of milliseconds."""
    from reconciler.compiler.schema_check import check_files

    return check_files(files, catalogue)


def _schema(data: bytes) -> Mapping[str, Any] | None:
    try:
        schema = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return schema if isinstance(schema, dict) else None


def _digest(files: Mapping[str, bytes]) -> str:
    digest = blake2b(digest_size=20)
    for path in sorted(files, key=base_name):
        name = base_name(path).encode("utf-8", "surrogateescape")
        digest.update(b"%d %s %d " % (len(name), name, len(files[path])))
        digest.update(files[path])
    return digest.hexdigest()


def _kinds(schemas: Mapping[str, Mapping[str, Any]], paths: Mapping[str, str]) -> tuple[dict[str, Kind], list[str]]:
    """The kinds by slug, and the names of the schema files whose kind could not be taken."""
    reader = FieldReader(schemas)
    kinds: dict[str, Kind] = {}
    refused: list[str] = []
    taken: set[str] = set()
    for name, schema in schemas.items():
        if BLOCK not in schema:
            continue
        try:
            kind = read_kind(schema, paths[name], reader)
        except Unreadable:
            refused.append(name)
            continue
        if taken.isdisjoint(words(kind)):
            kinds[kind.slug] = kind
            taken |= words(kind)
        else:
            refused.append(name)
    return kinds, refused


def words(kind: Kind) -> set[str]:
    """Every word that means the kind, in lower case."""
    return {kind.slug, kind.plural.lower(), *(alias.lower() for alias in kind.aliases)}


def read_kind(schema: Mapping[str, Any], path: str, reader: FieldReader) -> Kind:
    """The kind that the schema file `path` describes. Raises Unreadable."""
    try:
        return _kind(schema[BLOCK], schema, path, reader)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Unreadable(path) from error


def _kind(block: Mapping[str, Any], schema: Mapping[str, Any], path: str, reader: FieldReader) -> Kind:
    name = _text(block["kind"])
    return Kind(
        name=name,
        slug=name.lower(),
        plural=_text(block["plural"]),
        aliases=_texts(block.get("aliases", [])),
        driver=_text(block["driver"]),
        lifecycle=_lifecycle(block["lifecycle"]) if "lifecycle" in block else SIMPLE,
        files=_text(block["files"]) if "files" in block else "",
        read_fields=cache(partial(_fields, reader, path)),
        schema=schema,
        schema_path=path,
    )


def _fields(reader: FieldReader, path: str) -> Field:
    """Raises Unreadable."""
    try:
        return reader.read(base_name(path))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Unreadable(path) from error


def _lifecycle(block: Mapping[str, Any]) -> Lifecycle:
    return Lifecycle(
        states=_texts(block["states"]),
        default=_text(block["default"]),
        verbs={name: _verb(name, verb) for name, verb in block["verbs"].items()},
        aliases={alias: _text(verb) for alias, verb in block.get("aliases", {}).items()},
    )


def _verb(name: str, block: Mapping[str, Any]) -> Verb:
    sources = block["from"]
    return Verb(
        name=name,
        sources=(sources,) if isinstance(sources, str) else _texts(sources),
        target=_text(block["to"]) if "to" in block else None,
        on_demand=block.get("onDemand", False) is True,
        timeout=duration(_text(block["timeout"])) if "timeout" in block else None,
    )


def bringing(catalogue: Catalogue) -> dict[str, str]:
    """The kinds whose components bring sub-registries, each with the state in which they do."""
    return {kind.name: state for kind in catalogue.kinds.values() if (state := brings(kind))}


def brings(kind: Kind) -> str:
    """The state in which a component of `kind` brings the components of the sub-registry that its spec names; "" for
    a kind that brings none."""
    state: str = kind.schema.get(BLOCK, {}).get("brings", "")
    return state


def hosts(kind: Kind) -> str:
    """The state in which a component of `kind` is a node that others are placed on; "" for a kind that has none."""
    state: str = kind.schema.get(BLOCK, {}).get("hosts", "")
    return state


def node_field(kind: Kind) -> str:
    """The property of the spec of `kind` that says on which node a component is (`x-node`); "" where there is none."""
    schema: Any = kind.schema
    for token in ("properties", "spec", "properties"):
        schema = schema.get(token, {})
    return next((name for name, below in schema.items() if isinstance(below, dict) and below.get("x-node") is True), "")


def holding(kind: Kind) -> Sequence[str]:
    """The states in which a component of `kind` holds the values that only one may have."""
    return _states(kind, "holds", kind.lifecycle.states)


def deprecated(kind: Kind) -> Sequence[str]:
    """The states of `kind` that warn all who depend on a component in them."""
    return _states(kind, "deprecated", ())


def _states(kind: Kind, keyword: str, otherwise: Sequence[str]) -> Sequence[str]:
    states = kind.schema.get(BLOCK, {}).get(keyword)
    return states if isinstance(states, list) else otherwise


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return tuple(_text(item) for item in value)


def left_out(path: str) -> Diagnostic:
    """Says of a schema file that its kind cannot be read, where nothing more is known."""
    return Diagnostic(
        code="kind-unreadable",
        summary=f"The block {BLOCK} cannot be read, so that the kind is left out.",
        location=Location(path, (BLOCK,)),
    )
