"""What the daemon is to leave alone: who suspended what, until when. Each suspension is a note of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from reconciler.model.address import Address, parse_address
from reconciler.model.daemon import ALL, Suspension
from reconciler.ports import Note, Notes

_PREFIX = "suspension/"


def load_suspensions(notes: Notes, now: str) -> tuple[Suspension, ...]:
    """Those that hold at `now`."""
    return tuple(one for note in notes.under(_PREFIX) if not _is_over(one := _read(note), now))


def end_suspensions(notes: Notes, now: str) -> None:
    """Takes away those whose time is up."""
    for note in notes.under(_PREFIX):
        if _is_over(_read(note), now):
            notes.put(note.key, None, note.version, ("resume", f"{_read(note).scope}, since its time was up"))


def suspend(notes: Notes, suspension: Suspension) -> None:
    """Puts `suspension` in the place of the one with the same scope. Raises StateError."""
    known = notes.get(_PREFIX + suspension.scope)
    until = f" until {suspension.until}" if suspension.until else ""
    told = f"{suspension.scope} by {suspension.who}{until}: {suspension.reason}"
    body = orjson.dumps(suspension._asdict())
    notes.put(_PREFIX + suspension.scope, body, known.version if known else 0, ("suspend", told))


def resume(notes: Notes, scope: str, who: str) -> tuple[str, ...]:
    """Ends the suspension of `scope`, of ALL every one. Returns the scopes that were. Raises StateError."""
    found = notes.under(_PREFIX) if scope == ALL else [note for note in (notes.get(_PREFIX + scope),) if note]
    for note in found:
        notes.put(note.key, None, note.version, ("resume", f"{note.key.removeprefix(_PREFIX)} by {who}"))
    return tuple(note.key.removeprefix(_PREFIX) for note in found)


def covering(suspensions: Sequence[Suspension], address: Address) -> Suspension | None:
    """The suspension that `address` falls under; the closest one."""
    scopes = {one.scope: one for one in suspensions}
    return scopes.get(address) or scopes.get(parse_address(address).kind) or scopes.get(ALL)


def covered(suspensions: Sequence[Suspension], addresses: Iterable[Address]) -> frozenset[Address]:
    """Those of `addresses` that fall under one."""
    if not suspensions:
        return frozenset()
    return frozenset(address for address in addresses if covering(suspensions, address))


def _is_over(suspension: Suspension, now: str) -> bool:
    return bool(suspension.until) and suspension.until <= now


def _read(note: Note) -> Suspension:
    return Suspension(**orjson.loads(note.body))
