"""Puts a sub-registry's resources under its name.

Inside a sub-registry everything is named as if it stood alone. What it refers to is its own, and where it has no such
component, one of those that are exported to it; nothing else can be meant. The names are written out in full in the
manifests, so that whoever reads one later need not know where it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from reconciler.model.address import Address
from reconciler.model.diagnostics import Pointer
from reconciler.model.resource import Reference, Resource


def under_prefix(
    resources: Iterable[Resource], name: str, exports: Collection[Address], owner: Address
) -> list[Resource]:
    """`resources` of the sub-registry `name` as its parent sees them. Each also depends on `owner`, the component that
    brings them. A reference that leads nowhere is left to the assembling of the whole, under the prefix."""
    own = list(resources)
    addresses = {resource.address for resource in own}
    outside = {address for address in exports if address not in addresses}
    return [_placed(resource, name, outside, owner) for resource in own]


def pin(resource: Resource, commit: str) -> Resource:
    """The component that brings a sub-registry, pinned to `commit`."""
    body = resource.body()
    body["spec"]["commit"] = commit
    return with_body(resource, body)


def _placed(resource: Resource, name: str, outside: Collection[Address], owner: Address) -> Resource:
    references = [
        reference if reference.target in outside else Reference(f"{name}:{reference.target}", reference.pointer)
        for reference in resource.references
    ]
    moved = [new.pointer for new, old in zip(references, resource.references, strict=True) if new is not old]
    return _written_out(resource, name, moved)._replace(
        address=f"{name}:{resource.address}", references=(*references, Reference(owner, ()))
    )


def _written_out(resource: Resource, name: str, pointers: Iterable[Pointer]) -> Resource:
    """`resource` with the prefix `name` before the names at `pointers` of its manifest; at () there is none."""
    named = [pointer for pointer in pointers if pointer]
    if not named:
        return resource
    body = resource.body()
    for *way, last in named:
        place: Any = body
        for token in way:
            place = place[token]
        place[last] = f"{name}:{place[last]}"
    return with_body(resource, body)


def with_body(resource: Resource, body: Mapping[str, Any]) -> Resource:
    """`resource` with `body` for its manifest, and the fingerprint of that."""
    manifest = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    if manifest == resource.manifest:
        return resource
    return resource._replace(manifest=manifest, fingerprint=blake2b(manifest, digest_size=20).hexdigest())
