"""What was recorded at an earlier serial, and how it differs from now."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.history import PastEvent
from reconciler.model.lifecycle import ABSENT
from reconciler.model.record import Record
from reconciler.ports import StateStore


class Comparison(NamedTuple):
    """How many components were recorded then, and in a few words each what would have to change to be there again."""

    components: int
    differences: tuple[tuple[Address, str], ...]


def compare(store: StateStore, serial: int) -> Comparison:
    """What is recorded now beside what the log says of `serial`. Reads all of the log. Raises StateError."""
    now = store.load().records
    last = {event.address: event for event in store.events() if event.address and event.serial <= serial}
    then = {address: event for address, event in last.items() if event.state != ABSENT}
    pairs = (
        (address, _difference(now.get(address), then.get(address))) for address in sorted(now.keys() | then.keys())
    )
    return Comparison(len(then), tuple((address, what) for address, what in pairs if what))


def _difference(now: Record | None, then: PastEvent | None) -> str:
    before, after = now.state if now else ABSENT, then.state if then else ABSENT
    if before != after:
        return f"{before} -> {after}"
    if now and then and (now.status, now.fingerprint) != (then.status, then.fingerprint):
        return f"{after}, as it was at serial {then.serial}"
    return ""
