"""`ureg history`: everything that happened to one component."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, columns, on_registry
from reconciler.model.diagnostics import Diagnostic, Invalid

limit = options.option("limit", "Only the newest N events.", type=click.IntRange(min=1), metavar="N")


@click.command("history", cls=options.Command)
@click.argument("address")
@limit
@options.flag("json", "Write JSON.", "as_json")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, address: str, limit: int | None, as_json: bool) -> None:
    """Show everything that happened to the component at ADDRESS, newest last.

    Also of a component that is gone.
    """
    events = list(registry.store.events(address, newest=limit))
    if not events:
        raise Invalid(_unknown(address))
    runs = {past.run.id: past for past in registry.store.runs()}
    if as_json:
        from reconciler.render.history_json import render_history_json

        view.write(render_history_json(address, events, runs))
    else:
        from reconciler.render.history_text import render_history

        view.write(render_history(events, runs, view.style, columns()))


def _unknown(address: str) -> Diagnostic:
    hint = "`ureg state list` lists what is recorded, `ureg events list` everything that happened."
    return Diagnostic("address-unknown", f"Nothing ever happened to {address}", hint=hint)
