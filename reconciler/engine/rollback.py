"""Which commit a rollback leads to."""

from __future__ import annotations

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.ports import StateStore


def commit_by(store: StateStore, serial: int) -> str:
    """The commit that was applied last by the time that the state had `serial`. Raises Invalid where there is none.

    Costs a query for each run since then.
    """
    for past in store.runs():
        changes = (event for event in store.events(run=past.run.id) if event.address)
        first = next(changes, None) if past.run.commit else None
        if first is not None and first.serial <= serial:
            return past.run.commit
    summary = f"No commit had been applied by the serial {serial}"
    hint = "`ureg runs list` tells what was applied, and from which commit."
    raise Invalid(Diagnostic("moment-unknown", summary, hint=hint))
