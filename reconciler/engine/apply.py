"""Applies a plan under the lock, after making sure that it still speaks of the state and the files that are there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from reconciler.engine.executor import Control, Executor
from reconciler.engine.records import after_refresh
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.event import RunFinished, Summary
from reconciler.model.history import Intent, Run
from reconciler.model.plan import Base, Mode, Plan
from reconciler.model.resource import Revision
from reconciler.ports import Clock, DriverFor, Emit, Locking, StateStore, StateWriter, Write


def apply_plan(
    plan: Plan,
    run: Run,
    store: StateStore,
    locking: Locking,
    driver_for: DriverFor,
    clock: Clock,
    emit: Emit,
    control: Control,
) -> Summary:
    """Carries `plan` out. Raises Invalid where the state moved since it was made, Locked and StateError."""
    with store.write(locking.info, locking.timeout) as writer:
        recorded = store.survey()
        _refuse_stale(plan, Base(recorded.lineage, recorded.serial))
        _refuse_unsettled([intent for intent in store.pending() if intent.key not in control.unsettled])
        if plan.options.mode is Mode.REFRESH_ONLY:
            return _refresh(plan, run, writer, emit)
        executor = Executor(plan, run, recorded.records, writer, driver_for, clock, emit)
        return executor.execute(control)


def refuse_guarded(plan: Plan, overridden: Collection[str]) -> None:
    """Raises Invalid where the plan passes a guard that the user did not override."""
    guards = [guard for guard in plan.guards if guard.name not in overridden]
    if guards:
        raise Invalid(*(Diagnostic("guard", "The plan passes a guard", detail=guard.message) for guard in guards))


def refuse_moved(plan: Plan, revision: Revision, schemas: str) -> None:
    """Raises Invalid where a saved plan was made from another commit, other files or other schemas than are there
    now."""
    if plan.revision.tree != revision.tree:
        raise Invalid(_stale(f"The manifests changed since it was made{_commits(plan.revision, revision)}."))
    if plan.revision.commit != revision.commit:
        raise Invalid(_stale(f"The manifests are the same, but not their commit{_commits(plan.revision, revision)}."))
    if plan.schemas != schemas:
        raise Invalid(_stale("The schemas changed since it was made."))


def refuse_other_drivers(pinned: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Raises Invalid where a saved plan was made with other drivers than are there now (their versions by name)."""
    for name, version in pinned.items():
        if present[name] != version:
            raise Invalid(_stale(f"It was made with the driver {name} of {version}, which is {present[name]} now."))


def _refuse_stale(plan: Plan, base: Base) -> None:
    made_from = plan.base
    # A state that nothing was ever written to has no lineage yet; it gets one as its writer opens it.
    if made_from.lineage not in {"", base.lineage}:
        raise Invalid(_stale("It was made for another state: the lineages differ."))
    if made_from.serial != base.serial:
        raise Invalid(
            _stale(
                f"The state moved from serial {made_from.serial} to {base.serial}: this plan, or another one, was "
                "applied since it was made. A plan is applied once."
            )
        )


def _refuse_unsettled(pending: Sequence[Intent]) -> None:
    if pending:
        verb, address = pending[0].verb, pending[0].address
        raise Invalid(_stale(f"Since it was made, a run died while it carried out {verb} on {address}."))


def _stale(detail: str) -> Diagnostic:
    return Diagnostic("plan-stale", "The plan is stale", detail, hint="Plan again and look at the new plan.")


def _commits(before: Revision, now: Revision) -> str:
    if before.commit == now.commit:
        return ""
    return f": it was made at commit {before.commit[:12] or 'none'}, and {now.commit[:12] or 'none'} is checked out"


def _refresh(plan: Plan, run: Run, writer: StateWriter, emit: Emit) -> Summary:
    writer.begin(run)
    writer.settle(
        [Write(seen.address, after_refresh(record, seen), "refresh", seen.drift) for record, seen in plan.drift]
    )
    writer.finish("ok")
    emit(RunFinished(Summary()))
    return Summary()
