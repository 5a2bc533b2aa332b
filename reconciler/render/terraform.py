"""What the outputs that follow Terraform's formats have in common: versions, names and the values of a component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.address import Address, parse_address
from reconciler.model.change import Action
from reconciler.model.kind import NO_FIELDS, Field
from reconciler.model.record import Observation
from reconciler.render.values import SENSITIVE, child

TERRAFORM_VERSION = "1.11.4"
"""The version whose formats these are: readers of plans refuse one that they do not know."""

PROVIDER = "ureg"

ACTIONS: Mapping[Action, tuple[str, ...]] = {
    Action.NO_OP: ("no-op",),
    Action.CREATE: ("create",),
    Action.UPDATE: ("update",),
    Action.REPLACE: ("delete", "create"),
    Action.DELETE: ("delete",),
}


def identity(address: Address) -> dict[str, Any]:
    """The members that name a resource in plans and states."""
    parts = parse_address(address)
    return {
        "address": address,
        "mode": "managed",
        "type": parts.kind,
        "name": parts.name,
        "provider_name": PROVIDER,
    }


def values(state: str, body: Mapping[str, Any], field: Field) -> dict[str, Any]:
    """A component as the values of a resource: its state and its manifest, without sensitive values."""
    kept = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    return {"state": state, **(kept if field == NO_FIELDS else _masked(kept, field))}


def drift_facts(seen: Observation) -> dict[str, Any]:
    """What a driver saw, in its own words: a manifest's fields cannot say it all."""
    return {"state": seen.state, "drift": seen.drift, "seen": [piece._asdict() for piece in seen.seen]}


def sensitive_marks(value: Any, field: Field | None) -> Any:
    """The shape of `value` with `true` at each sensitive place; what holds none is left out."""
    if field is None:
        return {}
    if field.sensitive:
        return True
    if isinstance(value, dict):
        marks = {key: sensitive_marks(item, child(field, key)) for key, item in value.items()}
        return {key: mark for key, mark in marks.items() if mark}
    if isinstance(value, list):
        items = [sensitive_marks(item, field.items) or False for item in value]
        return items if any(items) else []
    return {}


def _masked(value: Any, field: Field | None) -> Any:
    if field is None:
        return value
    if field.sensitive:
        return value if _is_reference(value) else SENSITIVE
    if isinstance(value, dict):
        return {key: _masked(item, child(field, key)) for key, item in value.items()}
    return [_masked(item, field.items) for item in value] if isinstance(value, list) else value


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"secretRef"}
