"""What is recorded of a component after each step, as pure functions."""

from __future__ import annotations

import orjson

from reconciler.model.address import Address
from reconciler.model.change import Change, Side
from reconciler.model.history import Intent
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Step
from reconciler.model.record import Observation, Record, Status
from reconciler.model.resource import Resource

NOTHING = Record(address="", kind="", state=ABSENT, status=Status.OK, fingerprint="", manifest=b"")
"""What there is before a component's first step."""


def brings_manifest(step: Step) -> bool:
    """Whether the step puts the new manifest in force: it creates the component, or updates it where it is."""
    return step.source in {ABSENT, step.target}


def after_success(change: Change, step: Step, current: Record, commit: str) -> Record | None:
    """The record after `step`; None where the component is gone. `commit` is "" where the run applies none."""
    if step.target == ABSENT:
        return None
    record = current._replace(
        address=change.address,
        kind=change.kind,
        state=step.target,
        status=Status.OK,
        source=change.source,
        commit=commit or current.commit,
        error="",
        failures=0,
    )
    return _with_manifest(record, change.after) if change.after and brings_manifest(step) else record


def after_failure(change: Change, step: Step, current: Record, error: str) -> Record:
    """The record after `step` failed: as before, but for the status."""
    return _failed(current, change.address, change.kind, step.source, current.source or change.source, error)


def intent(change: Change, step: Step, key: str, current: Record | None, commit: str) -> Intent:
    """What is noted before `step`, with the record that stands once it has succeeded."""
    before = current or NOTHING
    after = after_success(change, step, before, commit)
    return Intent(key, step.address, step.verb, step.source, step.target, before.failures + 1, current, after)


def taken_back(intent: Intent, error: str) -> Record:
    """The record of a component whose verb has not done what it was asked to, as far as can be seen."""
    before = intent.before or NOTHING
    known = intent.before or intent.after or NOTHING
    return _failed(before, intent.address, known.kind, intent.source, known.source, error)


def after_refresh(record: Record, seen: Observation) -> Record | None:
    """The record that agrees with what a driver saw."""
    if seen.state == ABSENT:
        return None
    if seen.state != record.state:
        return record._replace(state=seen.state)
    return record._replace(status=Status.DRIFTED, error=seen.drift)


def as_applied(resource: Resource, commit: str) -> Record:
    """The record of a component that is just as its manifest says."""
    return Record(
        address=resource.address,
        kind=resource.kind,
        state=resource.state,
        status=Status.OK,
        fingerprint=resource.fingerprint,
        manifest=resource.manifest,
        references=orjson.dumps(resource.dependencies),
        source=f"{resource.path}:{resource.line}",
        commit=commit,
    )


def _failed(record: Record, address: Address, kind: str, state: str, source: str, error: str) -> Record:
    return record._replace(
        address=address,
        kind=kind,
        state=state,
        status=Status.FAILED,
        source=source,
        error=error,
        failures=record.failures + 1,
    )


def _with_manifest(record: Record, side: Side) -> Record:
    return record._replace(
        manifest=side.manifest, fingerprint=side.fingerprint, references=orjson.dumps(side.dependencies)
    )
