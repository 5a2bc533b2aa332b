"""How long a component that failed waits for its next try: longer with each failure, by a wait of its own."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from reconciler.daemon.times import later
from reconciler.model.address import Address

_JITTER = 0.2
"""The share by which a wait may be shorter, so that what failed together is not tried together."""

_MOST_STEPS = 64
"""The failures after which a wait grows no more."""


class Backoff(NamedTuple):
    """The first wait, by what it grows with each failure, and the longest; in seconds."""

    base: float = 10.0
    factor: float = 2.0
    cap: float = 900.0


class Failure(NamedTuple):
    """A component that failed: how often in a row, and the mark that was asked for."""

    failures: int
    asked: str


class Retry(NamedTuple):
    """When a failure is tried again."""

    failure: Failure
    due: str


def delay(policy: Backoff, failures: int, seed: str) -> float:
    """The seconds to wait after so many failures in a row, from 1 on; the same for the same `seed`."""
    full = min(policy.cap, policy.base * policy.factor ** min(failures - 1, _MOST_STEPS))
    return full * (1 - _JITTER * Random(seed).random())  # noqa: S311 - spreads the load, protects nothing


def schedule(
    known: Mapping[Address, Retry], failed: Mapping[Address, Failure], policy: Backoff, now: str
) -> dict[Address, Retry]:
    """When each of `failed` is tried again. One that is asked for something else since is tried at once."""
    return {address: _retry(address, known.get(address), failure, policy, now) for address, failure in failed.items()}


def _retry(address: Address, known: Retry | None, failure: Failure, policy: Backoff, now: str) -> Retry:
    if known and known.failure == failure:
        return known
    if known and known.failure.failures == failure.failures:
        return Retry(failure, now)
    count = max(1, failure.failures)
    return Retry(failure, later(now, delay(policy, count, f"{address} {count}")))
