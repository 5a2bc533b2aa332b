"""What a driver is asked to do, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reconciler.model.address import Address


@dataclass(frozen=True, slots=True)
class Transition:
    """One verb for a driver to carry out.

    `before` and `after` are whole manifests (None: the component was not there, or is to go). `key` names the
    operation and is the same when it is tried again. `timeout` is in seconds, 0 for none.
    """

    key: str
    address: Address
    kind: str
    verb: str
    source: str
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    timeout: float = 0.0


class Outcome(NamedTuple):
    """`error` is "" for a success, else what went wrong, in words for the user."""

    address: Address
    error: str = ""


class Health(NamedTuple):
    healthy: bool
    message: str = ""
