"""Carries out what a survey found, as far as the mode, the sync windows and the guards allow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from reconciler.bootstrap import Registry
from reconciler.daemon.desired import InForce
from reconciler.daemon.policy import Policy
from reconciler.daemon.status import Hold
from reconciler.daemon.windows import Opening
from reconciler.engine.apply import apply_plan
from reconciler.engine.executor import Control, Stop
from reconciler.engine.recovery import Verdict, describe, recover
from reconciler.model.daemon import SyncMode, Trigger
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.event import Summary
from reconciler.model.history import Run
from reconciler.model.plan import Plan
from reconciler.model.resource import Revision
from reconciler.ports import Emit, Locking

_OPERATION = "watch"
_SHORTEST = 1.0
"""Seconds between two looks for drift, at least."""


class Rules(NamedTuple):
    """What a daemon was started with. `mode` and `interval` (seconds) win over the settings where they are not None;
    without `approved` nothing is ever changed. `overridden` are the guards that do not hold. `source` and `reporter`
    are for the status."""

    source: str
    reporter: str
    approved: bool
    mode: SyncMode | None
    interval: float | None
    overridden: tuple[str, ...]
    locking: Callable[[str], Locking]
    new_run: Callable[[str, Revision], Run]

    def mode_by(self, policy: Policy) -> SyncMode:
        return (self.mode or policy.mode) if self.approved else SyncMode.PLAN_ONLY

    def interval_by(self, policy: Policy) -> float:
        return max(_SHORTEST, policy.interval if self.interval is None else self.interval)


class Audience(NamedTuple):
    """Who watches: why a cycle begins, a plan as it is made, findings as they are found, and the events of a run."""

    begin: Callable[[tuple[Trigger, ...]], None]
    show: Callable[[Registry, Plan], None]
    report: Callable[[Diagnostics], None]
    progress: Callable[[Plan], AbstractContextManager[Emit]]


class Gate(NamedTuple):
    """Why nothing of a plan is carried out. `is_guard` says that a guard stops it."""

    hold: Hold
    is_guard: bool = False


def gate(plan: Plan, mode: SyncMode, opening: Opening, rules: Rules) -> Gate | None:
    """None where the plan may be carried out."""
    guards = [guard for guard in plan.guards if guard.name not in rules.overridden]
    if guards:
        message = " ".join(guard.message for guard in guards)
        return Gate(Hold("StoppedByGuard", message, ends=False), is_guard=True)
    if mode is SyncMode.PLAN_ONLY:
        return Gate(Hold("PlanOnly", "The daemon only reports what it would do.", ends=False))
    if not opening.allowed:
        until = f" until {opening.until}" if opening.until else ""
        return Gate(Hold("WindowClosed", f"No sync window is open{until}."))
    return None


def recover_first(force: InForce, rules: Rules, audience: Audience) -> frozenset[str]:
    """Settles what runs that died left open. Gives the keys of the intents that stay open. Raises Locked."""
    registry = force.registry
    if not registry.store.pending():
        return frozenset()
    run = rules.new_run("recover", Revision("", "", dirty=False))
    found = recover(registry.store, rules.locking("recover"), registry.catalogue, registry.driver_for, run)
    audience.report(describe(found))
    return frozenset(one.intent.key for one in found if one.verdict is Verdict.OPEN)


def apply(
    registry: Registry, plan: Plan, rules: Rules, audience: Audience, stop: Stop, unsettled: frozenset[str]
) -> Summary:
    """Carries `plan` out. Raises Invalid where the state moved meanwhile, Locked and StateError."""
    with audience.progress(plan) as emit:
        return apply_plan(
            plan,
            rules.new_run(_OPERATION, plan.revision),
            registry.store,
            rules.locking(_OPERATION),
            registry.driver_for,
            registry.clock,
            emit,
            Control(registry.settings.parallelism, stop, unsettled),
        )
