"""What is recorded of a component after each step, as pure functions."""

from __future__ import annotations

import orjson

from reconciler.model.change import Change, Side
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Step
from reconciler.model.record import Observation, Record, Status

NOTHING = Record(address="", kind="", state=ABSENT, status=Status.OK, fingerprint="", manifest=b"")
"""What there is before a component's first step."""


def brings_manifest(step: Step) -> bool:
    """Whether the step puts the new manifest in force: it creates the component, or updates it where it is."""
    return step.source in {ABSENT, step.target}


def after_success(change: Change, step: Step, current: Record, commit: str) -> Record | None:
    """The record after `step`; None where the component is gone."""
    if step.target == ABSENT:
        return None
    record = current._replace(
        address=change.address,
        kind=change.kind,
        state=step.target,
        status=Status.OK,
        source=change.source,
        commit=commit,
        error="",
    )
    return _with_manifest(record, change.after) if change.after and brings_manifest(step) else record


def after_failure(change: Change, step: Step, current: Record, error: str) -> Record:
    """The record after `step` failed: as before, but for the status."""
    return current._replace(
        address=change.address,
        kind=change.kind,
        state=step.source,
        status=Status.FAILED,
        source=current.source or change.source,
        error=error,
    )


def after_refresh(record: Record, seen: Observation) -> Record | None:
    """The record that agrees with what a driver saw."""
    if seen.state == ABSENT:
        return None
    return record._replace(state=seen.state, status=Status.DRIFTED if seen.drift else record.status, error=seen.drift)


def _with_manifest(record: Record, side: Side) -> Record:
    return record._replace(
        manifest=side.manifest, fingerprint=side.fingerprint, references=orjson.dumps(side.dependencies)
    )
