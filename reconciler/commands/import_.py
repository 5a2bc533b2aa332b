"""`ureg import`: records a component as applied, without acting."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.locking import locking, new_run
from reconciler.commands.presence import missing_manifests
from reconciler.commands.view import View, on_registry
from reconciler.engine.desired import compile_desired
from reconciler.engine.nodes import settle
from reconciler.engine.state_edits import adopt
from reconciler.model.diagnostics import Invalid, errors
from reconciler.render.escape import escape


@click.command("import", cls=options.Command)
@click.argument("address")
@options.locking
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, address: str, lock: bool, lock_timeout: float) -> None:
    """Record the component at ADDRESS as applied just as its manifest says. Its driver is not asked to act.

    For what exists already: the next plan shows how it differs, instead of creating it.
    """
    missing_manifests(registry)
    compiled = compile_desired(registry.source, registry.cache, registry.catalogue, registry.settings.registry)
    if compiled.desired is None:
        raise Invalid(*compiled.diagnostics)
    records = registry.store.load().records
    settings, catalogue = registry.settings, registry.catalogue
    settled = settle(
        compiled.desired, compiled.texts, records, settings, registry.cache, catalogue, registry.driver_for, look=False
    )
    if errors(settled.diagnostics):
        raise Invalid(*settled.diagnostics)
    run = new_run("import", compiled.desired.revision)
    record = adopt(settled.desired, address, run, registry.store, locking(registry, "import", lock, lock_timeout))
    view.write(f"{escape(address)} is recorded as {record.state}.")
