"""`ureg suspend`: tells the daemon to leave something alone."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.locking import who
from reconciler.commands.schema import find_kind
from reconciler.commands.view import View, on_registry
from reconciler.daemon.feeds.wake import wake
from reconciler.daemon.suspensions import suspend
from reconciler.daemon.times import later
from reconciler.model.address import AddressParts, make_address, parse_address
from reconciler.model.daemon import ALL, Suspension
from reconciler.model.diagnostics import Diagnostic, Invalid


@click.command("suspend", cls=options.Command)
@click.argument("what", metavar="ADDRESS|KIND|all")
@options.option("reason", "Why, for whoever meets it.", required=True, metavar="TEXT")
@options.option("for", "How long; without, until `ureg resume`.", "duration", type=options.Duration(),
                metavar="DURATION")  # fmt: skip
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, what: str, reason: str, duration: float | None) -> None:
    """Leave a component, a kind or everything as it is, and what depends on it, until it is resumed.

    The daemon goes on to report on it. `ureg apply` is not hindered.
    """
    now = registry.clock.now()
    until = later(now, duration) if duration is not None else ""
    suspension = Suspension(scope(registry, what), _text(reason), who(), now, until)
    suspend(registry.store.notes, suspension)
    wake(registry.root)
    end = f"until {until}" if until else "until `ureg resume`"
    view.write(f"{suspension.scope} is suspended {end}.")


def scope(registry: Registry, what: str) -> str:
    """What a user means: ALL, an address, or the slug of a kind. Raises Invalid."""
    what = _text(what)
    if what == ALL:
        return ALL
    if "/" not in what:
        return find_kind(registry.catalogue, what).slug
    parts = _parts(what)
    kind = parts.kind if parts.registry else find_kind(registry.catalogue, parts.kind).slug
    return make_address(kind, parts.name, parts.registry)


def _text(given: str) -> str:
    """What was given, with bytes that are no text as escapes."""
    return given.encode("utf-8", "backslashreplace").decode()


def _parts(text: str) -> AddressParts:
    try:
        return parse_address(text)
    except ValueError as error:
        raise Invalid(Diagnostic("address-invalid", f"{text!r} is no address", str(error))) from error
