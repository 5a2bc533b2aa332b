"""`ureg health`: how components are right now."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, columns, on_registry
from reconciler.engine.choosing import choose
from reconciler.engine.health import check
from reconciler.render.health import render_health, render_health_json


@click.command("health", cls=options.Command)
@click.argument("words", nargs=-1, metavar="[ADDRESS|KIND]...")
@options.flag("json", "Write JSON.", "as_json")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, words: tuple[str, ...], as_json: bool) -> int:
    """Ask the drivers how the recorded components are right now: all, or those that are named.

    Exits with 0 where all are healthy, with 1 where one is not or nobody can tell.
    """
    records = registry.store.load().records
    chosen = [records[address] for address in choose(words, records, registry.catalogue)]
    checked = check(chosen, registry.catalogue, registry.driver_for, registry.settings.parallelism)
    view.write(render_health_json(checked) if as_json else render_health(checked, view.style, columns()))
    return 0 if all(health.healthy for _, health in checked) else 1
