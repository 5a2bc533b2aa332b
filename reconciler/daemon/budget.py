"""The budget of self-healing: a component whose drift was mended too often within an hour is flapping, and is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from reconciler.daemon.times import later
from reconciler.model.address import Address

HOUR = 3600.0

Heals: TypeAlias = Mapping[Address, tuple[str, ...]]
"""When each component was healed, oldest first."""


def recent(heals: Heals, now: str) -> dict[Address, tuple[str, ...]]:
    """Those of the last hour."""
    start = later(now, -HOUR)
    kept = {address: tuple(time for time in times if time > start) for address, times in heals.items()}
    return {address: times for address, times in kept.items() if times}


def spent(heals: Heals, most: int, now: str) -> dict[Address, str]:
    """The components that may not be healed again now, each with the time from which on it may."""
    return {address: later(times[-most], HOUR) for address, times in recent(heals, now).items() if len(times) >= most}


def spend(heals: Heals, healed: Iterable[Address], now: str) -> dict[Address, tuple[str, ...]]:
    """`heals` with those that were healed now."""
    return {**heals, **{address: (*heals.get(address, ()), now) for address in healed}}
