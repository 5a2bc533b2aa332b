"""`ureg graph`: what depends on what."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, on_registry
from reconciler.engine.desired import compile_desired
from reconciler.model.diagnostics import Invalid


@click.command("graph", cls=options.Command)
@options.option("format", "As Graphviz reads it, or Mermaid.", "language", type=click.Choice(["dot", "mermaid"]),
                default="dot")  # fmt: skip
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, language: str) -> None:
    """Draw the manifests and what they depend on."""
    from reconciler.render.graph import render_dot, render_mermaid

    compiled = compile_desired(registry.source, registry.cache, registry.catalogue, registry.settings.registry)
    if compiled.desired is None:
        raise Invalid(*compiled.diagnostics)
    render = render_dot if language == "dot" else render_mermaid
    resources = compiled.desired.resources.values()
    view.write(render({resource.address: resource.dependencies for resource in resources}))
