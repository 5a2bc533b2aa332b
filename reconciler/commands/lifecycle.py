"""`ureg lifecycle`: the states of a kind and the verbs between them."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.schema import find_kind
from reconciler.commands.view import View, in_any_folder


@click.command("lifecycle", cls=options.Command)
@click.argument("kind")
@click.option("-o", "form", type=click.Choice(["text", "dot", "mermaid"]), default="text",
              help="How to draw it.")  # fmt: skip
@options.output
@options.settings
@in_any_folder
def command(view: View, registry: Registry, kind: str, form: str) -> None:
    """Draw the lifecycle of KIND (a name, plural or alias): its states, and the verbs that lead from one to another."""
    found = find_kind(registry.catalogue, kind)
    if form == "text":
        from reconciler.render.lifecycle_text import render_lifecycle

        view.write(render_lifecycle(found, view.style))
        return
    from reconciler.render.lifecycle_graph import render_lifecycle_dot, render_lifecycle_mermaid

    view.write((render_lifecycle_dot if form == "dot" else render_lifecycle_mermaid)(found))
