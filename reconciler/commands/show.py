"""`ureg show`: the recorded state, or a saved plan."""

from __future__ import annotations

import sys

import click

from reconciler.bootstrap import Registry, version
from reconciler.commands import options, planning
from reconciler.commands.view import View, columns, on_registry


@click.command("show", cls=options.Command)
@click.argument("file", metavar="[PLAN]", required=False)
@options.flag("json", "Write JSON: of a plan, Terraform's representation.", "as_json")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, file: str | None, as_json: bool) -> None:
    """Show the recorded state, or a plan that `ureg plan -out` saved."""
    if file is not None and not as_json:
        planning.show(registry, view, planning.read(file))
    elif file is not None:
        from reconciler.render.plan_json import render_plan_json

        fields = {slug: kind.manifest_fields for slug, kind in registry.catalogue.kinds.items()}
        _bytes(render_plan_json(planning.read(file), fields, version()))
    elif as_json:
        from reconciler.render.state_json import render_state

        _bytes(render_state(registry.store.load()))
    else:
        from reconciler.render.state_text import render_records

        view.write(render_records(registry.store.load().records.values(), view.style, columns()))


def _bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
