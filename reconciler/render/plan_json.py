"""Writes a plan in Terraform's plan representation, so that tools that read Terraform's plans read ours.

Our own facts stand under the key `ureg`, of the whole plan and of each change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.model.address import Address, parse_address
from reconciler.model.change import MISSING, Action, Change, Difference, Side
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import NO_FIELDS, Field
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Plan
from reconciler.model.record import Observation, Record
from reconciler.render.diagnostics_json import json_pointer
from reconciler.render.json_text import dump
from reconciler.render.terraform import (
    ACTIONS,
    PROVIDER,
    TERRAFORM_VERSION,
    drift_facts,
    identity,
    sensitive_marks,
    values,
)

if TYPE_CHECKING:
    from reconciler.planner.pins import Pin

FORMAT_VERSION = "1.2"
STATE_FORMAT_VERSION = "1.0"

_Json = dict[str, Any]


def render_plan_json(plan: Plan, fields: Mapping[str, Field], version: str, pins: Sequence[Pin] = ()) -> bytes:
    """One JSON document with a final line end. `fields` are the annotations of each kind, by its slug; `version` is
    that of ureg, and `pins` are the commits that the plan has sub-registries at."""
    changes = [_changed(change, fields) for change in plan.changes]
    unchanged = [_unchanged(record, fields) for record in plan.unchanged]
    components = sorted((*changes, *unchanged), key=lambda component: component.address)
    return dump(
        {
            "format_version": FORMAT_VERSION,
            "terraform_version": TERRAFORM_VERSION,
            "planned_values": _module([component.planned() for component in components if component.after]),
            "resource_drift": [_drift(record, seen, fields) for record, seen in plan.drift],
            "resource_changes": [component.change() for component in components],
            "prior_state": {
                "format_version": STATE_FORMAT_VERSION,
                "terraform_version": TERRAFORM_VERSION,
                "values": _module([component.prior() for component in components if component.before]),
            },
            "configuration": {
                "provider_config": {PROVIDER: {"name": PROVIDER, "full_name": PROVIDER}},
                **_module([component.configuration() for component in components if component.after]),
            },
            "relevant_attributes": [],
            "timestamp": plan.created_at,
            "applyable": plan.applyable,
            "complete": not plan.options.targets and not plan.options.excludes,
            "errored": False,
            "ureg": {**_facts(plan, version), "pins": [pin._asdict() for pin in pins]},
        }
    )


class _Component(NamedTuple):
    """One component on both sides of a plan; `more` are the members of its resource change that not all have."""

    address: Address
    field: Field
    before: _Json | None
    after: _Json | None
    dependencies: tuple[Address, ...]
    action: Action
    replace_paths: list[Pointer]
    more: _Json

    def change(self) -> _Json:
        change = _transition(self.action, self.before, self.after, self.field)
        if self.replace_paths:
            change["replace_paths"] = self.replace_paths
        return {**identity(self.address), "change": change, **self.more}

    def planned(self) -> _Json:
        return self._valued(self.after)

    def prior(self) -> _Json:
        return self._valued(self.before)

    def configuration(self) -> _Json:
        named = {**identity(self.address), "provider_config_key": PROVIDER, "expressions": {}, "schema_version": 0}
        del named["provider_name"]
        return {**named, "depends_on": self.dependencies}

    def _valued(self, value: _Json | None) -> _Json:
        marks = sensitive_marks(value, self.field)
        return {**identity(self.address), "schema_version": 0, "values": value, "sensitive_values": marks}


def _changed(change: Change, fields: Mapping[str, Field]) -> _Component:
    field = fields.get(parse_address(change.address).kind, NO_FIELDS)
    reason: _Json = {"action_reason": change.reason.value} if change.reason else {}
    return _Component(
        change.address,
        field,
        before=_values(change.before, field),
        after=_values(change.after, field),
        dependencies=change.after.dependencies if change.after else (),
        action=change.action,
        replace_paths=[found.pointer for found in change.differences if found.forces_replacement],
        more={**reason, "ureg": _change_facts(change)},
    )


def _unchanged(record: Record, fields: Mapping[str, Field]) -> _Component:
    field = fields.get(parse_address(record.address).kind, NO_FIELDS)
    same = values(record.state, record.body(), field)
    facts = {"source": record.source, "dependencies": record.dependencies}
    return _Component(record.address, field, same, same, record.dependencies, Action.NO_OP, [], {"ureg": facts})


def _module(resources: list[_Json]) -> _Json:
    return {"root_module": {"resources": resources}}


def _values(side: Side | None, field: Field) -> _Json | None:
    return values(side.state, side.body(), field) if side else None


def _transition(action: Action, before: _Json | None, after: _Json | None, field: Field) -> _Json:
    return {
        "actions": ACTIONS[action],
        "before": before,
        "after": after,
        "after_unknown": {},
        "before_sensitive": False if before is None else sensitive_marks(before, field),
        "after_sensitive": False if after is None else sensitive_marks(after, field),
    }


def _drift(record: Record, seen: Observation, fields: Mapping[str, Field]) -> _Json:
    """What the drivers saw; a manifest cannot say it, so the words are under `ureg`."""
    field = fields.get(parse_address(record.address).kind, NO_FIELDS)
    gone = seen.state == ABSENT
    before = values(record.state, record.body(), field)
    after = None if gone else {**before, "state": seen.state}
    change = _transition(Action.DELETE if gone else Action.UPDATE, before, after, field)
    return {**identity(record.address), "change": change, "ureg": drift_facts(seen)}


def _change_facts(change: Change) -> _Json:
    side = change.after or change.before
    return {
        "verbs": change.verbs,
        "state_before": change.before.state if change.before else ABSENT,
        "state_after": change.after.state if change.after else ABSENT,
        "driver": change.driver,
        "source": change.source,
        "detail": change.detail,
        "dependencies": side.dependencies if side else (),
        "dependents": change.dependents,
        "differences": [_difference(found) for found in change.differences],
    }


def _difference(found: Difference) -> _Json:
    """A side that is not there is left out."""
    sides = {"before": found.before, "after": found.after}
    return {
        "json_pointer": json_pointer(found.pointer),
        **{name: value for name, value in sides.items() if value is not MISSING},
        "sensitive": found.sensitive,
        "forces_replacement": found.forces_replacement,
    }


def _facts(plan: Plan, version: str) -> _Json:
    return {
        "version": version,
        "mode": plan.options.mode.value,
        "commit": plan.revision.commit,
        "tree": plan.revision.tree,
        "dirty": plan.revision.dirty,
        "schemas": plan.schemas,
        "lineage": plan.base.lineage,
        "serial": plan.base.serial,
        "guards": [guard._asdict() for guard in plan.guards],
    }
