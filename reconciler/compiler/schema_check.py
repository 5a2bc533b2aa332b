"""Judges the schema files themselves: what every check of documents and every plan takes for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from reconciler.compiler.annotations import FieldReader
from reconciler.compiler.finding import Finding, at_offset, place_all
from reconciler.compiler.judge import Judge, Unusable
from reconciler.compiler.keyword_check import check_keywords
from reconciler.compiler.kinds import (
    BLOCK,
    Unreadable,
    brings,
    deprecated,
    holding,
    hosts,
    left_out,
    read_kind,
    words,
)
from reconciler.compiler.lifecycle_check import check_lifecycle
from reconciler.compiler.schema import METASCHEMA, Schemas, base_name, walk
from reconciler.compiler.suggest import did_you_mean
from reconciler.compiler.wording import flatten, word
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Pointer
from reconciler.model.kind import Catalogue, Kind

KIND_SCHEMA = "kind.schema.json"
"""The schema of a kind's schema file."""

MAX_DEPTH = 100


class _Folder(NamedTuple):
    """What the files of a schemas folder are judged with. `owners` maps each word that means a kind to the path of
    the file that has it first."""

    schemas: Schemas
    judge: Judge
    reader: FieldReader
    owners: dict[str, str]
    kind_names: tuple[str, ...]


def check_files(files: Mapping[str, bytes], catalogue: Catalogue) -> Diagnostics:
    """Everything that is wrong with the schema files (path to content) of `catalogue`."""
    folder = _Folder(
        schemas=catalogue.schemas,
        judge=Judge(catalogue.schemas),
        reader=FieldReader(catalogue.schemas),
        owners={},
        kind_names=tuple(_kind_names(catalogue.schemas)),
    )
    told: list[Diagnostic] = []
    names: dict[str, str] = {}
    for path in sorted(files):
        first = names.setdefault(base_name(path), path)
        told += _check_file(path, files[path], folder) if first == path else [_same_name(path, first)]
    return tuple(told)


def _kind_names(schemas: Schemas) -> Iterator[str]:
    """The names of all kinds, of those that could not be read too."""
    for schema in schemas.values():
        name = _value_at(schema, (BLOCK, "kind"))
        if isinstance(name, str):
            yield name


def _same_name(path: str, first: str) -> Diagnostic:
    summary = f"The file has the same name as {first}; a schema is known by its file's name."
    return Diagnostic("schema-name", summary, location=at_offset(path, b"", 0))


def _check_file(path: str, data: bytes, folder: _Folder) -> Diagnostics:
    schema = folder.schemas.get(base_name(path))
    if schema is not None:
        return _check_schema(path, schema, data, folder)
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError as error:
        at = at_offset(path, data, len(error.doc[: error.pos].encode("utf-8", "surrogatepass")))
        return (Diagnostic("json-syntax", f"The file is not JSON: {error.msg}.", location=at),)
    return place_all([Finding("schema-type", "A schema file holds one JSON object.")], path, data)


def _check_schema(path: str, schema: Mapping[str, Any], data: bytes, folder: _Folder) -> Diagnostics:
    name = base_name(path)
    if any(len(pointer) > MAX_DEPTH for pointer, _ in walk(schema)):
        deep = Finding("schema-depth", f"The schema is nested more than {MAX_DEPTH} levels deep.")
        return place_all([deep], path, data)
    findings = [*check_keywords(name, schema, folder.schemas, folder.kind_names), *_refused(METASCHEMA, schema, folder)]
    if BLOCK in schema and KIND_SCHEMA in folder.schemas:
        findings += _refused(KIND_SCHEMA, schema, folder)
    if BLOCK not in schema:
        return place_all(_one_a_place(findings), path, data)
    try:
        kind = read_kind(schema, path, folder.reader)
        kind.read_fields()
    except Unreadable:
        return place_all(_one_a_place(findings), path, data) or (left_out(path),)
    findings += _check_kind(kind, folder)
    return place_all(_one_a_place(findings), path, data)


def _refused(file: str, schema: Mapping[str, Any], folder: _Folder) -> Iterator[Finding]:
    try:
        if not folder.judge.accepts(file, schema):
            refusals = flatten(folder.judge.refusals(file, schema))
            yield from (word(refusal, file, folder.schemas) for refusal in refusals)
    except Unusable:
        yield Finding("schema-unusable", f"The schema {file} is broken, so that this file cannot be checked by it.")


def _one_a_place(findings: list[Finding]) -> list[Finding]:
    """The findings without those at a place of which an earlier check has told; each missing key is told."""
    kept: dict[tuple[Pointer, str], Finding] = {}
    for finding in findings:
        missing = finding.summary if finding.code == "schema-required" else ""
        kept.setdefault((finding.pointer, missing), finding)
    return list(kept.values())


def _check_kind(kind: Kind, folder: _Folder) -> Iterator[Finding]:
    yield from _words(kind, folder.owners)
    if "lifecycle" in kind.schema[BLOCK]:
        verbs = kind.schema[BLOCK]["lifecycle"]["verbs"]
        lists = {name: isinstance(verb["from"], list) for name, verb in verbs.items()}
        yield from check_lifecycle(kind.lifecycle, (BLOCK, "lifecycle"), lists)
    yield from _named_states(kind)
    if not kind.files:
        yield from _kind_constant(kind)
        yield from _state_options(kind)
    for file, fragment in sorted(folder.reader.recursive):
        if file == base_name(kind.schema_path):
            yield Finding(
                "schema-recursive", "A definition that refers to itself cannot hold x- keywords.", _at(fragment)
            )


def _named_states(kind: Kind) -> Iterator[Finding]:
    states = kind.lifecycle.states
    for keyword, state in (("brings", brings(kind)), ("hosts", hosts(kind))):
        if state and state not in states:
            hint = did_you_mean(str(state), states)
            yield Finding(f"kind-{keyword}", "The lifecycle does not have this state.", (BLOCK, keyword), hint)
    for keyword, named in (("holds", holding(kind)), ("deprecated", deprecated(kind))):
        for index, state in enumerate(named):
            if state not in states:
                at, hint = (BLOCK, keyword, index), did_you_mean(str(state), states)
                yield Finding("kind-state", "The lifecycle does not have this state.", at, hint)


def _at(fragment: str) -> Pointer:
    return tuple(fragment.split("/")[1:])


def _words(kind: Kind, owners: dict[str, str]) -> Iterator[Finding]:
    block = kind.schema[BLOCK]
    places: list[tuple[str, Pointer]] = [(kind.slug, (BLOCK, "kind")), (kind.plural.lower(), (BLOCK, "plural"))]
    places += [(alias.lower(), (BLOCK, "aliases", index)) for index, alias in enumerate(block.get("aliases", ()))]
    for text, place in places:
        owner = owners.get(text)
        if owner is not None:
            yield Finding("kind-name-taken", f'"{text}" already means the kind of {owner}.', place)
    owners.update(dict.fromkeys(words(kind) - owners.keys(), kind.schema_path))


def _kind_constant(kind: Kind) -> Iterator[Finding]:
    place = ("properties", "kind", "const")
    constant = _value_at(kind.schema, place)
    if constant is not None and constant != kind.name:
        yield Finding(
            "kind-const", f'The schema asks for another kind than "{kind.name}", which the block names.', place
        )


def _state_options(kind: Kind) -> Iterator[Finding]:
    place = ("properties", "state", "enum")
    options = _value_at(kind.schema, place)
    states = kind.lifecycle.states
    if not isinstance(options, list):
        return
    for index, option in enumerate(options):
        if option not in states:
            hint = did_you_mean(str(option), states)
            yield Finding("kind-state", "The lifecycle does not have this state.", (*place, index), hint)
    for state in states:
        if state not in options:
            summary = f'The state "{state}" of the lifecycle is missing here, so that no manifest could ask for it.'
            yield Finding("kind-state", summary, place, on_key=True)


def _value_at(schema: Any, pointer: tuple[str, ...]) -> Any:
    for token in pointer:
        schema = schema.get(token) if isinstance(schema, dict) else None
    return schema
