"""How what is recorded now differs from what was recorded earlier."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.address import Address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.record import Record


def compare(now: Mapping[Address, Record], then: Mapping[Address, Record]) -> list[tuple[Address, str]]:
    """In a few words for each component that differs: what would have to change so that it is as it was `then`."""
    pairs = (
        (address, _difference(now.get(address), then.get(address))) for address in sorted(now.keys() | then.keys())
    )
    return [(address, what) for address, what in pairs if what]


def _difference(now: Record | None, then: Record | None) -> str:
    before, after = now.state if now else ABSENT, then.state if then else ABSENT
    if before != after:
        return f"{before} -> {after}"
    if now and then and (now.status, now.fingerprint) != (then.status, then.fingerprint):
        return f"{after}, as it was at serial {then.serial}"
    return ""
