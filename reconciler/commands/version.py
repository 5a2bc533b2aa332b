"""`ureg version`."""

from __future__ import annotations

import click

from reconciler import __version__
from reconciler.commands import options


@click.command("version", cls=options.Command)
@options.flag("json", "Write JSON.", "as_json")
def command(as_json: bool) -> None:
    """Show the version of ureg."""
    click.echo(f'{{"ureg_version": "{__version__}"}}' if as_json else f"ureg {__version__}")
