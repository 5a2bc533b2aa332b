"""`ureg drift`: where git, the recorded state and the world part."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.locking import wait_for_lock
from reconciler.commands.presence import missing_manifests
from reconciler.commands.recovering import recover_first
from reconciler.commands.view import View, on_registry
from reconciler.engine.drift import find_drift
from reconciler.model.diagnostics import errors

EXIT_DRIFT = 2


@click.command("drift", cls=options.Command)
@click.argument("words", nargs=-1, metavar="[ADDRESS|KIND]...")
@options.flag("json", "Write JSON.", "as_json")
@options.locking
@options.output
@options.settings
@on_registry
def command(
    view: View, registry: Registry, words: tuple[str, ...], as_json: bool, lock: bool, lock_timeout: float
) -> int:
    """Show where the manifests, the recorded state and what is really there differ. Changes nothing.

    Each difference says which side moved since the last apply: git, the world, or both. Only a world that moved is
    drift; where git alone moved, a change waits to be applied.

    Exits with 0 for no drift, 1 for an error, 2 for drift.
    """
    odd = missing_manifests(registry)
    if lock:
        wait_for_lock(registry, lock_timeout)
    recover_first(registry, view, lock, lock_timeout)
    found = find_drift(
        words,
        registry.settings,
        registry.catalogue,
        registry.source,
        registry.cache,
        registry.store,
        registry.driver_for,
    )
    if found.drifts is not None and as_json:
        from reconciler.render.drift_json import render_drift_json

        view.write(render_drift_json(found.drifts, found.compared))
    elif found.drifts is not None:
        from reconciler.render.drift_text import render_drift

        view.write(render_drift(found.drifts, found.compared, view.style))
    view.report((*odd, *found.diagnostics))
    if errors(found.diagnostics):
        return 1
    return EXIT_DRIFT if found.drifted else 0
