"""Where the three sides of a component part: what git asks for, what is recorded, and what is there."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.record import Status


class Moved(StrEnum):
    """Which side is no longer as it is recorded."""

    GIT = "git"
    WORLD = "world"
    BOTH = "both"


class Divergence(NamedTuple):
    """One field with its three sides: JSON values, or what a driver says in a few words; MISSING where there is none.

    `field` is `state`, a place in the manifest (`spec.replicas`), or what the driver calls a fact of the world
    (`mode`). Where a driver tells of the world only in a sentence, that is the observed side of a field `seen`.
    """

    field: str
    desired: Any
    recorded: Any
    observed: Any
    moved: Moved


class Drift(NamedTuple):
    """A component whose sides differ. `source` is `path:line` of its manifest, of a deleted one where it was last.
    `status` and `error` are those of its record."""

    address: Address
    kind: str
    source: str
    status: Status
    error: str
    moved: Moved
    divergences: tuple[Divergence, ...]
