"""What a plan between two versions of a registry would be: of commits, of the work tree, of the recorded state."""

from __future__ import annotations

from reconciler.engine.operations import Planned
from reconciler.engine.records import as_applied
from reconciler.model import settings
from reconciler.model.kind import Catalogue
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Options
from reconciler.model.record import Record, RecordedState
from reconciler.model.resource import DesiredState, Reference, Resource, Revision
from reconciler.planner.build import build


def difference(
    before: DesiredState | RecordedState,
    after: DesiredState | RecordedState,
    catalogue: Catalogue,
    guards: settings.Guards,
    created_at: str,
) -> Planned:
    """The plan that would lead from `before`, were it applied, to `after`. It is for looking at only.

    `catalogue` holds the kinds of both. No driver is asked.
    """
    recorded = before if isinstance(before, RecordedState) else _as_recorded(before)
    desired = after if isinstance(after, DesiredState) else _as_desired(after, catalogue.digest)
    return Planned(*build(desired, recorded, (), catalogue, Options(), guards, created_at))


def both(before: Catalogue, after: Catalogue) -> Catalogue:
    """The kinds of `after`, and those that only `before` has: their components are deleted."""
    return Catalogue({**before.kinds, **after.kinds}, after.digest, {**before.schemas, **after.schemas})


def _as_recorded(desired: DesiredState) -> RecordedState:
    commit = desired.revision.commit
    return RecordedState("", 0, {address: as_applied(r, commit) for address, r in desired.resources.items()})


def _as_desired(recorded: RecordedState, schemas: str) -> DesiredState:
    records = (record for record in recorded.records.values() if record.state != ABSENT)
    resources = {record.address: _as_resource(record) for record in records}
    return DesiredState(resources, Revision("", "", dirty=False), schemas)


def _as_resource(record: Record) -> Resource:
    path, _, line = record.source.rpartition(":")
    return Resource(
        record.address,
        record.kind,
        record.state,
        record.fingerprint,
        record.manifest,
        tuple(Reference(target, ()) for target in record.dependencies),
        path,
        document=0,
        line=int(line) if line.isdecimal() else 0,
    )
