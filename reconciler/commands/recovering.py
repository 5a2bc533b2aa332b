"""Settles what runs that died left open: what plan, apply, destroy and watch do first."""

from __future__ import annotations

from reconciler.bootstrap import Registry
from reconciler.commands.locking import NOWHERE, locking, new_run
from reconciler.commands.view import View


def recover_first(registry: Registry, view: View, lock: bool, lock_timeout: float) -> frozenset[str]:
    """Recovers, tells the user of it, and gives the keys of the intents that stay open. Raises Locked."""
    if not registry.store.pending():
        return frozenset()
    from reconciler.engine.recovery import Verdict, describe, recover

    found = recover(
        registry.store,
        locking(registry, "recover", lock, lock_timeout),
        registry.catalogue,
        registry.driver_for,
        new_run("recover", NOWHERE),
    )
    view.report(describe(found))
    return frozenset(one.intent.key for one in found if one.verdict is Verdict.OPEN)
