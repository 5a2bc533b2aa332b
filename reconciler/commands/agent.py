"""`ureg agent`: carries out on this machine what is asked of a grid node."""

from __future__ import annotations

import gc
import socket

import click

from reconciler.bootstrap import Registry, open_agent
from reconciler.commands import options
from reconciler.commands.view import View, on_registry
from reconciler.render.escape import escape


@click.command("agent", cls=options.Command)
@click.option("--node", default=socket.gethostname().partition(".")[0].lower,
              metavar="NAME", help="The node that this machine is (the name of the machine).")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 256), default=10, metavar="N",
              help="How many operations may run at once (10).")  # fmt: skip
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, node: str, concurrency: int) -> None:
    """Take work from the queue of a node and carry it out on this machine, until SIGTERM or Ctrl-C.

    Needs the database of the state and no manifests: what is to be done comes with the work. Files and running programs
    go below the folders that the settings here name, and references to secrets are resolved here. At the end it takes
    nothing new and finishes what it has.
    """
    gc.enable()
    open_agent(registry, node, concurrency, lambda line: view.write(escape(line))).run()
