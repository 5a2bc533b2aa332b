"""`ureg restart`: carries out a verb that is never planned, only asked for."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.applying import Ask, run_plan
from reconciler.commands.recovering import recover_first
from reconciler.commands.view import View, on_registry
from reconciler.engine.on_demand import on_demand

VERB = "restart"


@click.command(VERB, cls=options.Command)
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@options.flag("json", "Write machine-readable messages, one object a line.")
@options.locking
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, addresses: tuple[str, ...], lock: bool, lock_timeout: float) -> int:
    """Restart components as they were last applied, those that others depend on first. Does not ask.

    What has changed in the manifests since does not come in: that is for `ureg apply`. The kind must have a verb
    `restart`, and the component be in a state that it starts from: `ureg lifecycle KIND` shows both.
    """
    unsettled = recover_first(registry, view, lock, lock_timeout)
    made = on_demand(VERB, addresses, registry.store.load(), registry.catalogue, registry.clock.now())
    if view.stream is not None:
        view.stream.plan(made)
    return run_plan(registry, view, made, VERB, Ask(lock, lock_timeout, unsettled=unsettled), VERB)
