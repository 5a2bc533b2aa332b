"""`ureg resume`: takes back what `ureg suspend` asked for."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.locking import who
from reconciler.commands.suspend import scope
from reconciler.commands.view import View, on_registry
from reconciler.daemon.feeds.wake import wake
from reconciler.daemon.suspensions import resume
from reconciler.model.daemon import ALL
from reconciler.model.diagnostics import Diagnostic, Invalid


@click.command("resume", cls=options.Command)
@click.argument("what", metavar="ADDRESS|KIND|all")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, what: str) -> None:
    """Let the daemon look after it again. `all` ends every suspension there is."""
    wanted = scope(registry, what)
    resumed = resume(registry.store.notes, wanted, who())
    if not resumed and wanted != ALL:
        hint = "`ureg status` lists what is. A component may be suspended by its kind, or by `all`."
        raise Invalid(Diagnostic("not-suspended", f"{wanted} is not suspended", hint=hint))
    wake(registry.root)
    view.write("".join(f"{one} is resumed.\n" for one in resumed) or "Nothing is suspended.")
