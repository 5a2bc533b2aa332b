"""`ureg show`: the recorded state, or a saved plan."""

from __future__ import annotations

import os
import sys

import click

from reconciler.bootstrap import Registry, plan_key
from reconciler.commands import options, planning
from reconciler.commands.view import View, columns, on_registry
from reconciler.model.diagnostics import Diagnostic, Severity

_NOT_AUTHENTICATED = Diagnostic(
    "plan-foreign",
    "This plan is not authenticated",
    "It was changed after it was made, or made by another user or on another machine.",
    "It can be looked at, but is not applied here.",
    severity=Severity.WARNING,
)


@click.command("show", cls=options.Command)
@click.argument("file", metavar="[PLAN]", required=False)
@options.flag("json", "Write JSON: of a plan, Terraform's representation.", "as_json")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, file: str | None, as_json: bool) -> None:
    """Show the recorded state, or a plan that `ureg plan -out` saved."""
    if file is not None:
        _show_plan(view, registry, planning.read(file), as_json)
    elif as_json:
        from reconciler.render.state_json import render_state

        _bytes(render_state(registry.store.load()))
    else:
        from reconciler.render.state_text import render_records

        view.write(render_records(sorted(registry.store.load().records.values()), view.style, columns()))


def _show_plan(view: View, registry: Registry, data: bytes, as_json: bool) -> None:
    from reconciler.planner.codec import decode, is_signed

    made = decode(data, None).plan
    key = plan_key(os.environ, make=False)
    if key is None or not is_signed(data, key):
        view.report((_NOT_AUTHENTICATED,))
    if as_json:
        planning.write_json(registry, made)
    else:
        planning.show(registry, view, made)


def _bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
