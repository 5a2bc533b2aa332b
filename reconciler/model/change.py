"""What a plan says about one component."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from reconciler.model.address import Address
from reconciler.model.diagnostics import Pointer


class Action(StrEnum):
    NO_OP = "no-op"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


class Reason(StrEnum):
    """Why an action is what it is; the values are Terraform's where it has one."""

    NONE = ""
    CANNOT_UPDATE = "replace_because_cannot_update"
    REQUESTED = "replace_by_request"
    NOT_IN_CONFIGURATION = "delete_because_no_resource_config"
    DESTROY = "delete_because_destroy"
    FAILED = "update_because_failed"
    """The last transition failed: this one goes on from there."""
    DRIFTED = "update_because_drifted"


class Missing:
    """The type of MISSING."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()
"""Stands for a value that is not there, where None would be JSON's null."""


class Difference(NamedTuple):
    """One place at which two manifests differ. `before` or `after` is MISSING where it was added or removed.

    Sensitive values are replaced before a difference is made: neither side ever holds one.
    """

    pointer: Pointer
    before: Any
    after: Any
    sensitive: bool = False
    forces_replacement: bool = False


class Side(NamedTuple):
    """A component before or after a change."""

    state: str
    fingerprint: str
    manifest: bytes
    dependencies: tuple[Address, ...]

    def body(self) -> dict[str, Any]:
        value: dict[str, Any] = orjson.loads(self.manifest) if self.manifest else {}
        return value


class Change(NamedTuple):
    """One component's part of a plan.

    `before` is None for a component that is not recorded, `after` None for one that is to go. `verbs` are what its
    driver will be asked to do, in order. `source` is `path:line` of the manifest (for a delete: of the last one
    applied). `dependents` are the components, desired or recorded, that depend on it.
    """

    address: Address
    kind: str
    driver: str
    action: Action
    reason: Reason
    before: Side | None
    after: Side | None
    verbs: tuple[str, ...]
    differences: tuple[Difference, ...]
    source: str
    dependents: tuple[Address, ...] = ()
    detail: str = ""
    """More about the reason in a few words: the drift seen, the error of the failed transition."""
