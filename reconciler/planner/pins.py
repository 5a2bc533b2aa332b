"""At which commits a plan has the sub-registries that are enabled once it is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.plan import Mode, Plan


class Pin(NamedTuple):
    """The sub-registry that `address` brings: where its repository is, what it follows there, and its commit. `before`
    is the commit that was applied last, "" where there is none."""

    address: Address
    place: str
    ref: str
    commit: str
    before: str


def pins(plan: Plan, states: Mapping[str, str]) -> tuple[Pin, ...]:
    """The pins of `plan`, by address. A component of a kind in `states` brings a sub-registry in the state there."""
    return tuple(sorted(_pins(plan, states))) if plan.options.mode is not Mode.DESTROY else ()


def _pins(plan: Plan, states: Mapping[str, str]) -> Iterator[Pin]:
    for record in plan.unchanged:
        if record.kind in states and record.state == states[record.kind]:
            spec = record.body().get("spec", {})
            yield _pin(record.address, spec, _commit(spec))
    for change in plan.changes:
        after, before = change.after, change.before
        if after and after.state == states.get(change.kind):
            yield _pin(change.address, after.body()["spec"], _commit(before.body().get("spec", {})) if before else "")


def _pin(address: Address, spec: Mapping[str, Any], before: str) -> Pin:
    source = spec["source"]
    return Pin(address, source.get("url") or source.get("path", ""), spec.get("ref", ""), _commit(spec), before)


def _commit(spec: Mapping[str, Any]) -> str:
    commit: str = spec.get("commit", "")
    return commit
