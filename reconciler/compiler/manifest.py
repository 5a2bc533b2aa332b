"""A valid document becomes a resource: its canonical bytes, its fingerprint, its state and what it refers to."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from reconciler.compiler.finding import Finding, clip, dotted
from reconciler.compiler.schema import base_name
from reconciler.model.address import Address, make_address, named, parse_address
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import Field, Kind, only_references
from reconciler.model.resource import Document, Reference, Resource

API_VERSION = "ureg/v1"
ANY_KIND = "*"

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def to_resource(document: Document, kind: Kind) -> tuple[Resource, list[Finding]]:
    """The resource that a valid `document` of the kind `kind` describes, and those of its references that are no
    addresses or name a component of a kind that cannot stand there. Costs a few microseconds."""
    value = document.value
    if kind.files:
        name = stem(document.path)
        state = kind.lifecycle.default
        body = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": {"name": name}, "spec": value}
    else:
        name = value["metadata"]["name"]
        state = value.get("state", kind.lifecycle.default)
        body = {key: item for key, item in value.items() if key != "state"}
    manifest = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    references: list[Reference] = []
    misfits: list[Finding] = []
    _collect(_referring(kind.read_fields), value, (), references, misfits)
    resource = Resource(
        address=f"{kind.slug}/{name}",
        kind=kind.name,
        state=state,
        fingerprint=fingerprint(manifest),
        manifest=manifest,
        references=tuple(references),
        path=document.path,
        document=document.number,
        line=document.line,
    )
    return resource, misfits


def fingerprint(manifest: bytes) -> str:
    """The digest of a manifest's canonical bytes."""
    return blake2b(manifest, digest_size=20).hexdigest()


@lru_cache(maxsize=256)
def _referring(read_fields: Callable[[], Field]) -> Field:
    """The part of a kind's annotations that leads to references."""
    return only_references(read_fields())


def is_name(text: str) -> bool:
    """Whether a manifest's component may have the name `text`: a DNS label."""
    return _DNS_LABEL.fullmatch(text) is not None


def address_of(document: Document, kind: Kind) -> Address:
    """The address of a document that need not be valid; "" where it has no proper name."""
    if kind.files:
        return make_address(kind.slug, stem(document.path))
    metadata = document.value.get("metadata") if isinstance(document.value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return make_address(kind.slug, name) if isinstance(name, str) and is_name(name) else ""


def stem(path: str) -> str:
    """The name of the component that a plain file is: its file's name without the last suffix, in NFC."""
    name = base_name(path)
    bare = name.rpartition(".")[0] or name
    if bare.isascii():
        return bare
    from unicodedata import normalize

    return normalize("NFC", bare)


def _collect(field: Field, value: Any, pointer: Pointer, found: list[Reference], misfits: list[Finding]) -> None:
    """Adds what `value` refers to. Runs for every document: plain loops instead of `annotations.children`."""
    if isinstance(value, dict):
        _collect_from_mapping(field, value, pointer, found, misfits)
    elif isinstance(value, list):
        if field.items is not None:
            for index, item in enumerate(value):
                _collect(field.items, item, (*pointer, index), found, misfits)
    elif field.references and isinstance(value, str):
        target = to_target(value, field.references)
        found.append(Reference(target, pointer))
        if misfit := _misfit(target, pointer, field.references):
            misfits.append(misfit)


def _collect_from_mapping(
    field: Field, value: dict[str, Any], pointer: Pointer, found: list[Reference], misfits: list[Finding]
) -> None:
    if field.additional is not None:
        for name, item in value.items():
            _collect(field.properties.get(name, field.additional), item, (*pointer, name), found, misfits)
        return
    for name, below in field.properties.items():
        if name in value:
            _collect(below, value[name], (*pointer, name), found, misfits)


def to_target(text: str, kinds: tuple[str, ...]) -> Address:
    """The address that `text` means: an address as it stands, or a bare name where only one kind can be meant."""
    return text if len(kinds) > 1 or kinds[0] == ANY_KIND else named(kinds[0], text)


def _misfit(target: Address, pointer: Pointer, kinds: tuple[str, ...]) -> Finding | None:
    try:
        named = parse_address(target).kind
    except ValueError:
        summary = f'"{dotted(pointer)}" must be an address, kind/name, not "{clip(target)}".'
        return Finding("reference-form", summary, pointer, f"Write for example {_example(kinds)}/{clip(target)}.")
    if ANY_KIND in kinds or named in _slugs(kinds):
        return None
    summary = f'"{dotted(pointer)}" must name a component of the kind {" or ".join(kinds)}, not "{clip(target)}".'
    return Finding("reference-kind", summary, pointer)


@lru_cache(maxsize=256)
def _slugs(kinds: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(str.lower, kinds))


def _example(kinds: tuple[str, ...]) -> str:
    return "kind" if kinds[0] == ANY_KIND else kinds[0].lower()
