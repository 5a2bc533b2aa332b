"""The desired side: source files, documents, resources and the desired state that they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Location, Pointer


class SourceFile(NamedTuple):
    """A file of a snapshot: its path from the registry's root, and the id of its content (git's blob id)."""

    path: str
    content_id: str


class Revision(NamedTuple):
    """Which version of the repository a snapshot shows.

    `commit` is HEAD's id ("" before the first commit), `tree` a digest over all paths and content ids of the
    snapshot, and `dirty` says that the snapshot differs from the commit.
    """

    commit: str
    tree: str
    dirty: bool


class Snapshot(NamedTuple):
    """The files that make up the desired state at one moment, sorted by path."""

    files: tuple[SourceFile, ...]
    revision: Revision


class Document(NamedTuple):
    """One YAML document as plain JSON values; `line` is where its content starts, `number` its place in the file
    (from 0)."""

    path: str
    number: int
    line: int
    value: Any


class Reference(NamedTuple):
    """A component names another one at `pointer` of its document."""

    target: Address
    pointer: Pointer


class Resource(NamedTuple):
    """A validated manifest.

    `manifest` is the document as canonical JSON (keys sorted, UTF-8), without `state`. `fingerprint` is a digest of
    `manifest`: two resources with one fingerprint ask for the same thing. `state` is the lifecycle state asked for.
    """

    address: Address
    kind: str
    state: str
    fingerprint: str
    manifest: bytes
    references: tuple[Reference, ...]
    path: str
    document: int
    line: int

    @property
    def name(self) -> str:
        return parse_address(self.address).name

    @property
    def dependencies(self) -> tuple[Address, ...]:
        """What this component needs to be there first, each address once, in the order of the document."""
        return tuple(dict.fromkeys(reference.target for reference in self.references))

    def at(self, pointer: Pointer = ()) -> Location:
        return Location(self.path, pointer, self.document)

    def body(self) -> dict[str, Any]:
        value: dict[str, Any] = orjson.loads(self.manifest)
        return value


class DesiredState(NamedTuple):
    """Everything that the repository asks for: no address twice, every reference resolved, no cycle."""

    resources: Mapping[Address, Resource]
    revision: Revision
    schemas: str
    """The digest of the schemas that judged it."""
