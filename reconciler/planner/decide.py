"""What is to happen to one component: nothing, or a change and the verbs that carry it out.

Where the component is, is its record as corrected by what its driver observed. The verbs are the route from there to
the state asked for. They bring the manifest in where its fingerprint changed, where the world drifted from it, and
where the last attempt failed with the component already in the state asked for. What left its state is only led back
to it: the verbs on the way bring its content with them. What was half made is made again, what was half removed is
removed again: drivers are idempotent.
"""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Difference, Reason, Side
from reconciler.model.diagnostics import Diagnostic, Location
from reconciler.model.kind import Kind
from reconciler.model.lifecycle import ABSENT
from reconciler.model.record import Observation, Record, Status
from reconciler.model.resource import Resource
from reconciler.planner.diff import differences
from reconciler.planner.route import Route, Routes, passes_absent


class Case(NamedTuple):
    """All that is known of a component. `observation` is None where the world agrees with the record; `replace` says
    that the user asked for a new one, `destroy` that everything is to go."""

    address: Address
    kind: Kind
    resource: Resource | None
    record: Record | None
    observation: Observation | None
    replace: bool
    destroy: bool
    dependents: tuple[Address, ...]

    @property
    def state(self) -> str:
        if self.record is None:
            return ABSENT
        return self.observation.state if self.observation else self.record.state


class Move(NamedTuple):
    """A change with the verbs that carry it out."""

    change: Change
    verbs: Route


def decide(case: Case, routes: Routes) -> Move | Diagnostic | None:
    """The move that `case` asks for, None where nothing is to be done, a diagnostic where it cannot be done."""
    if case.resource is None:
        return _delete(case, case.record, routes) if case.record else None
    if case.record is None or case.state == ABSENT:
        return _create(case, case.resource, routes)
    return _update(case, case.resource, case.record, routes)


def _create(case: Case, resource: Resource, routes: Routes) -> Move | Diagnostic:
    verbs = routes.find(case.kind, ABSENT, resource.state)
    if verbs is None:
        return _no_route(case, resource.state)
    return Move(_change(case, Action.CREATE, Reason.NONE, None, _after(resource), verbs), verbs)


def _delete(case: Case, record: Record, routes: Routes) -> Move | Diagnostic:
    verbs = routes.find(case.kind, case.state, ABSENT)
    if case.state == ABSENT:
        verbs = _clearing(case.kind)
    if verbs is None:
        return _no_route(case, ABSENT)
    reason = Reason.DESTROY if case.destroy else Reason.NOT_IN_CONFIGURATION
    return Move(_change(case, Action.DELETE, reason, _before(case, record), None, verbs), verbs)


def _clearing(kind: Kind) -> Route | None:
    """The verb that clears what a failed attempt may have left of a component that is not there."""
    verbs = kind.lifecycle.verbs.values()
    return next(((verb,) for verb in verbs if verb.target == ABSENT and not verb.on_demand), None)


def _update(case: Case, resource: Resource, record: Record, routes: Routes) -> Move | Diagnostic | None:
    found = _differences(case.kind, resource, record)
    forced = any(difference.forces_replacement for difference in found)
    changed = resource.fingerprint != record.fingerprint or _drifted(case, resource, record)
    replace = forced or case.replace
    retry = record.status == Status.FAILED and case.state == resource.state and not changed and not replace
    verbs = routes.find(case.kind, case.state, resource.state, changed or retry, replace)
    if retry and (verbs is None or passes_absent(verbs)):
        return None
    if verbs is None:
        return _no_route(case, resource.state)
    if not verbs:
        return None
    action = Action.REPLACE if passes_absent(verbs) else Action.UPDATE
    reason = _reason(case, record, action, forced)
    return Move(_change(case, action, reason, _before(case, record), _after(resource), verbs, found), verbs)


def _differences(kind: Kind, resource: Resource, record: Record) -> tuple[Difference, ...]:
    if resource.fingerprint == record.fingerprint:
        return ()
    return differences(record.body(), resource.body(), kind.manifest_fields)


def _drifted(case: Case, resource: Resource, record: Record) -> bool:
    """Whether the world drifted in a way that the verbs which lead to the state asked for do not mend by themselves."""
    seen = case.observation
    led_back = seen is not None and seen.state not in (record.state, resource.state)
    return record.status == Status.DRIFTED or bool(seen and seen.drift and not led_back)


def _reason(case: Case, record: Record, action: Action, forced: bool) -> Reason:
    if action is Action.REPLACE:
        return Reason.REQUESTED if case.replace and not forced else Reason.CANNOT_UPDATE
    if record.status == Status.FAILED:
        return Reason.FAILED
    return Reason.DRIFTED if case.observation or record.status == Status.DRIFTED else Reason.NONE


def _change(
    case: Case,
    action: Action,
    reason: Reason,
    before: Side | None,
    after: Side | None,
    verbs: Route,
    found: tuple[Difference, ...] = (),
) -> Change:
    resource, record = case.resource, case.record
    return Change(
        address=case.address,
        kind=resource.kind if resource else record.kind if record else case.kind.name,
        driver=case.kind.driver,
        action=action,
        reason=reason,
        before=before,
        after=after,
        verbs=tuple([verb.name for verb in verbs]),
        differences=found,
        source=f"{resource.path}:{resource.line}" if resource else record.source if record else "",
        dependents=case.dependents,
        detail=_detail(case, record) if record else "",
    )


def _detail(case: Case, record: Record) -> str:
    """The error of the last attempt, or the drift seen."""
    seen = case.observation
    if record.error or seen is None:
        return record.error
    return seen.drift or f"it is {seen.state}, and was left {record.state}"


def _before(case: Case, record: Record) -> Side:
    return Side(case.state, record.fingerprint, record.manifest, record.dependencies)


def _after(resource: Resource) -> Side:
    return Side(resource.state, resource.fingerprint, resource.manifest, resource.dependencies)


def _no_route(case: Case, goal: str) -> Diagnostic:
    kind = case.kind
    return Diagnostic(
        "no-route",
        f"No verbs of {kind.name} lead {case.address} from {case.state} to {goal}",
        detail=f"The lifecycle in {kind.schema_path} has no path that can be planned for what has to change.",
        hint=f"Add or widen a verb there, or take the component out of the state: `ureg state rm {case.address}`.",
        location=case.resource.at(("state",)) if case.resource else Location(kind.schema_path),
        address=case.address,
    )
