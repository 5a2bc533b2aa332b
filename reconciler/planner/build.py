"""Puts a plan together: who is touched, what happens to each, in which order, and whether that is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from reconciler.model import settings
from reconciler.model.address import Address, parse_address
from reconciler.model.change import Action
from reconciler.model.diagnostics import Diagnostic, Diagnostics
from reconciler.model.kind import Catalogue, Kind
from reconciler.model.plan import Base, Guard, Mode, Options, Plan
from reconciler.model.record import Observation, RecordedState, mark
from reconciler.model.resource import DesiredState
from reconciler.planner.decide import Case, Move, decide
from reconciler.planner.drift import differs
from reconciler.planner.guards import REFERENCED, limits, referenced_deletes
from reconciler.planner.order import arrange
from reconciler.planner.route import Routes
from reconciler.planner.select import Records, Resources, dependents, select, unknown_addresses


class _Scene(NamedTuple):
    """All that a plan is made from. `seen` holds the observations that differ from their records; `selected` is None
    where the plan is about everything."""

    resources: Resources
    records: Records
    marks: Mapping[Address, str]
    seen: Mapping[Address, Observation]
    catalogue: Catalogue
    options: Options
    selected: Set[Address] | None

    def includes(self, address: Address) -> bool:
        return self.selected is None or address in self.selected


def build(
    desired: DesiredState,
    recorded: RecordedState,
    observations: Iterable[Observation],
    catalogue: Catalogue,
    options: Options,
    guards: settings.Guards,
    created_at: str,
    whole: bool = True,
) -> tuple[Plan | None, Diagnostics]:
    """The plan that leads from `recorded`, as corrected by `observations`, to `desired`; None beside any error.

    Costs next to nothing for a component that stays as it is; only a `whole` plan names these. `created_at` is RFC
    3339, in UTC.
    """
    unknown = unknown_addresses(desired.resources, recorded.records, options)
    if unknown:
        return None, unknown
    scene = _scene(desired, recorded, observations, catalogue, options)
    moves, problems = _moves(scene)
    if problems:
        return None, problems
    changes, steps = arrange(moves, scene.resources, scene.records)
    changed = {change.address for change in changes}
    plan = Plan(
        options=options,
        base=Base(recorded.lineage, recorded.serial),
        revision=desired.revision,
        schemas=desired.schemas,
        changes=changes,
        steps=steps,
        unchanged=tuple([scene.records[a] for a in sorted(scene.records) if a not in changed]) if whole else (),
        drift=tuple([(scene.records[address], scene.seen[address]) for address in sorted(scene.seen)]),
        guards=_guards(scene, moves, guards),
        created_at=created_at,
    )
    return plan, ()


def explain_dangling(diagnostics: Diagnostics, recorded: RecordedState) -> Diagnostics:
    """`diagnostics` of a compile, with each reference to a component that is recorded, but has no manifest any more,
    told as the delete that it would lead to."""
    return tuple(
        _as_delete(finding) if finding.code == "reference-unknown" and finding.address in recorded.records else finding
        for finding in diagnostics
    )


def _as_delete(finding: Diagnostic) -> Diagnostic:
    return finding._replace(
        code=REFERENCED,
        summary=f"{finding.address} would be deleted, but this depends on it",
        detail=f"{finding.address} is recorded, and its manifest is gone.",
        hint=f"Take the reference out to delete it, or bring the manifest of {finding.address} back.",
    )


def _scene(
    desired: DesiredState,
    recorded: RecordedState,
    observations: Iterable[Observation],
    catalogue: Catalogue,
    options: Options,
) -> _Scene:
    resources = {} if options.mode is Mode.DESTROY else desired.resources
    records = recorded.records
    marks = recorded.marks or {a: mark(r.fingerprint, r.state, r.status) for a, r in records.items()}
    scene = _Scene(resources, records, marks, {}, catalogue, options, select(resources, records, options))
    seen = {
        observation.address: observation
        for observation in observations
        if (record := records.get(observation.address))
        and differs(observation, record)
        and scene.includes(observation.address)
    }
    return scene._replace(seen=seen)


def _moves(scene: _Scene) -> tuple[Sequence[Move], Diagnostics]:
    touched = set() if scene.options.mode is Mode.REFRESH_ONLY else _touched(scene)
    if not touched:
        return (), ()
    needed_by = dependents(scene.resources, scene.records, touched)
    decisions = _decisions(scene, sorted(filter(scene.includes, touched)), needed_by)
    problems = tuple(decision for decision in decisions if isinstance(decision, Diagnostic))
    moves = [decision for decision in decisions if isinstance(decision, Move)]
    return moves, problems or referenced_deletes(
        {move.change.address for move in moves if move.change.action is Action.DELETE},
        needed_by,
        scene.resources,
        scene.records,
        scene.includes,
    )


def _touched(scene: _Scene) -> Set[Address]:
    """The addresses of which it takes more than a look at the mark to say what happens to them."""
    marks = scene.marks
    touched = {a for a, r in scene.resources.items() if marks.get(a) != mark(r.fingerprint, r.state)}
    touched |= marks.keys() - scene.resources.keys()
    touched |= {address for address in (*scene.seen, *scene.options.replace) if address in scene.resources}
    return touched


def _decisions(
    scene: _Scene, touched: Iterable[Address], needed_by: Mapping[Address, Set[Address]]
) -> Sequence[Move | Diagnostic | None]:
    routes = Routes()
    destroy, replace = scene.options.mode is Mode.DESTROY, frozenset(scene.options.replace)
    decisions: list[Move | Diagnostic | None] = []
    for address in touched:
        resource, record = scene.resources.get(address), scene.records.get(address)
        kind = _kind(scene.catalogue, resource.kind if resource else record.kind if record else "")
        if kind is None:
            decisions.append(_no_schema(address))
            continue
        names = tuple(sorted(needed_by.get(address, ())))
        seen = scene.seen.get(address)
        case = Case(address, kind, resource, record, seen, address in replace, destroy, names)
        decisions.append(decide(case, routes))
    return decisions


def _kind(catalogue: Catalogue, word: str) -> Kind | None:
    return catalogue.kinds.get(word) or catalogue.kinds.get(word.lower())


def _no_schema(address: Address) -> Diagnostic:
    kind = parse_address(address).kind
    return Diagnostic(
        "kind-unknown",
        f"{address} is recorded, but no schema describes the kind {kind}",
        detail="Without its schema nothing is known of its verbs and its driver, so it cannot be deleted.",
        hint=f"Bring the schema back until {address} is deleted, or forget the component: `ureg state rm {address}`.",
        address=address,
    )


def _guards(scene: _Scene, moves: Iterable[Move], guards: settings.Guards) -> tuple[Guard, ...]:
    """Destroying everything has no guard: it asks by itself."""
    if scene.options.mode is Mode.DESTROY:
        return ()
    deletes = sum(move.change.action is Action.DELETE for move in moves)
    return limits(deletes, len(scene.records), guards)
