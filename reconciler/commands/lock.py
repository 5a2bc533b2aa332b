"""`ureg lock`: who holds the lock of the state."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, on_registry


@click.group("lock", cls=options.Group)
def command() -> None:
    """Look at the lock of the state. `ureg force-unlock` takes it away."""


@command.command("show", cls=options.Command)
@options.flag("json", "Write JSON.", "as_json")
@options.output
@options.settings
@on_registry
def show(view: View, registry: Registry, as_json: bool) -> None:
    """Show who holds the lock, for what, since when and until when. A free lock is no error."""
    from reconciler.render.lock_text import render_lock, render_lock_json

    lock = registry.store.holder()
    view.write(render_lock_json(lock) if as_json else render_lock(lock, view.style))
