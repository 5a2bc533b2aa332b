"""Compares desired, recorded and observed state field by field, and says of each difference which side moved.

The record is the common base. What git asks for and what is there are each held against it: git moved where a manifest
is not as it was last applied, the world moved where a driver sees something else than was left there. Both can have
moved in one field, even to the same value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.change import MISSING
from reconciler.model.diagnostics import Pointer
from reconciler.model.drift import Divergence, Drift, Moved
from reconciler.model.kind import Catalogue, Kind
from reconciler.model.lifecycle import ABSENT
from reconciler.model.record import Observation, Record, Seen, Status
from reconciler.model.resource import Resource
from reconciler.planner.diff import differences

STATE = "state"
SEEN = "seen"


class Sides(NamedTuple):
    """What is known of each address on each side; the world is as recorded where `seen` has nothing."""

    desired: Mapping[Address, Resource]
    recorded: Mapping[Address, Record]
    seen: Mapping[Address, Observation]


def differs(seen: Observation, record: Record) -> bool:
    """Whether the world is otherwise than recorded. Of what never came to be, there is nothing to find changed."""
    return seen.state != record.state or bool(seen.drift and record.state != ABSENT)


def compare(sides: Sides, among: Iterable[Address], catalogue: Catalogue) -> tuple[Drift, ...]:
    """The components of `among` whose sides differ, by address."""
    return tuple(drift for address in sorted(among) if (drift := _compare(address, sides, catalogue)))


def _compare(address: Address, sides: Sides, catalogue: Catalogue) -> Drift | None:
    resource, record, seen = sides.desired.get(address), sides.recorded.get(address), sides.seen.get(address)
    word = resource.kind if resource else record.kind if record else ""
    git = dict(_in_git(resource, record, catalogue.kinds.get(word.lower())))
    world = dict(_in_world(record, seen)) if record and seen and differs(seen, record) else {}
    found = tuple(_divergence(field, git.get(field), world.get(field)) for field in {**git, **world})
    if not found:
        return None
    return Drift(
        address=address,
        kind=word,
        source=f"{resource.path}:{resource.line}" if resource else record.source if record else "",
        status=record.status if record else Status.OK,
        error=record.error if record else "",
        moved=_joined(divergence.moved for divergence in found),
        divergences=found,
    )


class _Pair(NamedTuple):
    recorded: Any
    other: Any


def _in_git(resource: Resource | None, record: Record | None, kind: Kind | None) -> Iterator[tuple[str, _Pair]]:
    """What the manifest asks for otherwise than is recorded."""
    state, wanted = record.state if record else ABSENT, resource.state if resource else ABSENT
    if state != wanted:
        yield STATE, _Pair(state, wanted)
    if resource and record and kind and state != ABSENT and resource.fingerprint != record.fingerprint:
        for found in differences(record.body(), resource.body(), kind.manifest_fields):
            yield _path(found.pointer), _Pair(found.before, found.after)


def _in_world(record: Record, seen: Observation) -> Iterator[tuple[str, _Pair]]:
    """What is there otherwise than is recorded."""
    if seen.state != record.state:
        yield STATE, _Pair(record.state, seen.state)
    if seen.drift and not seen.seen:
        yield SEEN, _Pair(MISSING, seen.drift)
    for piece in seen.seen:
        yield _field(piece), _Pair(piece.recorded, piece.observed)


def _field(piece: Seen) -> str:
    return piece.field or SEEN


def _divergence(field: str, git: _Pair | None, world: _Pair | None) -> Divergence:
    if git and world:
        return Divergence(field, git.other, git.recorded, world.other, Moved.BOTH)
    if git:
        return Divergence(field, git.other, git.recorded, git.recorded, Moved.GIT)
    recorded, observed = world or (MISSING, MISSING)
    return Divergence(field, recorded, recorded, observed, Moved.WORLD)


def _joined(moved: Iterable[Moved]) -> Moved:
    kinds = set(moved)
    return kinds.pop() if len(kinds) == 1 else Moved.BOTH


def _path(pointer: Pointer) -> str:
    """`spec.ports[0].port`, as drivers name fields too."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in pointer)
    return path.removeprefix(".")
