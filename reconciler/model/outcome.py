"""What a driver is asked to do, and what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from reconciler.model.address import Address


class Transition(NamedTuple):
    """One verb for a driver to carry out.

    `old` and `new` are whole manifests as JSON, b"" where the component was not there, or is to go. `key` names the
    operation and is the same when it is tried again. `timeout` is in seconds, 0 for none.
    """

    key: str
    address: Address
    kind: str
    verb: str
    source: str
    target: str
    old: bytes
    new: bytes
    timeout: float = 0.0

    @property
    def before(self) -> dict[str, Any] | None:
        return orjson.loads(self.old) if self.old else None

    @property
    def after(self) -> dict[str, Any] | None:
        return orjson.loads(self.new) if self.new else None


class Outcome(NamedTuple):
    """`error` is "" for a success, else what went wrong, in words for the user."""

    address: Address
    error: str = ""


class Health(NamedTuple):
    healthy: bool
    message: str = ""
