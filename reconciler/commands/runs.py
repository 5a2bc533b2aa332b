"""`ureg runs`: what was run on the state, when, for whom and from which commit."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, columns, on_registry
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.history import PastRun

_MOST_NAMED = 10


@click.group("runs", cls=options.Group)
def command() -> None:
    """Show what was run on the state: every apply, rollback and edit, also those that died."""


@command.command("list", cls=options.Command)
@options.flag("json", "Write JSON.", "as_json")
@options.output
@options.settings
@on_registry
def list_(view: View, registry: Registry, as_json: bool) -> None:
    """List every run, newest first."""
    runs = registry.store.runs()
    if as_json:
        from reconciler.render.history_json import render_runs_json

        view.write(render_runs_json(runs))
    else:
        from reconciler.render.runs_text import render_runs

        view.write(render_runs(runs, view.style, columns()))


@command.command("show", cls=options.Command)
@click.argument("prefix", metavar="ID")
@options.flag("json", "Write JSON.", "as_json")
@options.output
@options.settings
@on_registry
def show(view: View, registry: Registry, prefix: str, as_json: bool) -> None:
    """Show one run and what it did. The beginning of its ID is enough where no other run has the same."""
    past = find_run(registry, prefix)
    events = list(registry.store.events(run=past.run.id))
    if as_json:
        from reconciler.render.history_json import render_run_json

        view.write(render_run_json(past, events))
    else:
        from reconciler.render.runs_text import render_run

        view.write(render_run(past, events, view.style, columns()))


def find_run(registry: Registry, prefix: str) -> PastRun:
    """The only run whose id starts with `prefix`. Raises Invalid for none and for several."""
    found = [past for past in registry.store.runs() if past.run.id.startswith(prefix)] if prefix else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise Invalid(Diagnostic("run-unknown", f"There is no run {prefix!r}", hint="`ureg runs list` lists them."))
    ids = "\n".join(past.run.id for past in found[:_MOST_NAMED])
    more = f"\nand {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise Invalid(
        Diagnostic("run-ambiguous", f"Several runs start with {prefix!r}", f"{ids}{more}", "Give more of it.")
    )
