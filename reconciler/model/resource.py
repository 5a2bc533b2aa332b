"""The desired side: source files, documents, resources and the desired state that they add up to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Location, Pointer

_FEW = 8


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


class Links(Sequence[Reference]):
    """References that stay JSON (`text`, as `links_text` makes it) until they are asked for."""

    __slots__ = ("_found", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._found: tuple[Reference, ...] | None = None

    def _read(self) -> tuple[Reference, ...]:
        if self._found is None:
            pairs = orjson.loads(self.text)
            self._found = tuple([Reference(target, tuple(pointer)) for target, pointer in pairs])
        return self._found

    def __bool__(self) -> bool:
        return self.text != "[]"

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[Reference]:
        return iter(self._read())

    def __getitem__(self, index: Any) -> Any:
        return self._read()[index]

    def __eq__(self, other: object) -> bool:
        return self._read() == (other._read() if isinstance(other, Links) else other)

    def __hash__(self) -> int:
        return hash(self._read())


def links_text(references: Sequence[Reference]) -> str:
    """`references` as JSON."""
    return references.text if isinstance(references, Links) else orjson.dumps([tuple(r) for r in references]).decode()


def mention(targets: Collection[Address]) -> Callable[[Sequence[Reference]], bool]:
    """A test of references: False where they surely name none of `targets`. For a few of these it costs less than
    reading."""
    if len(targets) > _FEW:
        return bool
    names = [orjson.dumps(target).decode() for target in targets]

    def mentioned(references: Sequence[Reference]) -> bool:
        text = links_text(references) if references else ""
        return any(name in text for name in names)

    return mentioned


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
    references: Sequence[Reference]
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
