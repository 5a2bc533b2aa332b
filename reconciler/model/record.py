"""The recorded and the observed side: what the last applies left, and what the drivers see."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from reconciler.model.address import Address


class Status(StrEnum):
    OK = "ok"
    FAILED = "failed"
    """The last transition ended in an error; the record's state is the one reached before it."""
    DRIFTED = "drifted"
    """A refresh found the world different from the record."""


class Record(NamedTuple):
    """What is recorded of one component.

    `manifest` and `fingerprint` are those of the resource that was last applied with success. `references` is the
    JSON list of the addresses it depended on. `source` is `path:line` in the repository, `commit` the commit it was
    applied from, `serial` the state's serial at its last change, `error` the last failure ("" when there is none),
    `failures` how often in a row a verb failed.
    """

    address: Address
    kind: str
    state: str
    status: Status
    fingerprint: str
    manifest: bytes
    references: bytes = b"[]"
    source: str = ""
    commit: str = ""
    serial: int = 0
    error: str = ""
    failures: int = 0

    @property
    def dependencies(self) -> tuple[Address, ...]:
        return tuple(orjson.loads(self.references))

    def body(self) -> dict[str, Any]:
        value: dict[str, Any] = orjson.loads(self.manifest) if self.manifest else {}
        return value


class RecordedState(NamedTuple):
    """A whole state: `lineage` names its line of descent, `serial` grows by one with every write. `marks` holds the
    mark of each record where that is known without reading it."""

    lineage: str
    serial: int
    records: Mapping[Address, Record]
    marks: Mapping[Address, str] | None = None


def mark(fingerprint: str, state: str, status: str = "ok") -> str:
    """One text for what says whether a component is as it is asked for: two with the same mark are."""
    return f"{fingerprint} {state}" if status == "ok" else f"{fingerprint} {state} {status}"


class Seen(NamedTuple):
    """One thing that is otherwise than recorded: a field of the manifest (`spec.version`) or a fact of the world
    ("mode", "process"), what was recorded of it and what is there, each in a few words; never a secret."""

    field: str
    recorded: str
    observed: str


class Observation(NamedTuple):
    """What a driver sees of a recorded component.

    `state` is the lifecycle state it is in (`absent` where it is gone). `drift` says in one line what differs from
    the record, "" where nothing does; `seen` is the same piece by piece, where the driver can tell.
    """

    address: Address
    state: str
    drift: str = ""
    seen: tuple[Seen, ...] = ()
