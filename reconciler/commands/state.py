"""`ureg state`: a look at the recorded state, and the edits of it that act on nothing."""

from __future__ import annotations

import sys

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.locking import NOWHERE, locking, new_run
from reconciler.commands.moments import serial_at
from reconciler.commands.state_care import backups, restore, verify
from reconciler.commands.state_transfer import migrate, push
from reconciler.commands.view import View, on_registry
from reconciler.engine.state_edits import forget, move
from reconciler.model.address import parse_address
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.record import Record
from reconciler.render.escape import escape


@click.group("state", cls=options.Group)
def command() -> None:
    """Look at the recorded state, and edit it without acting on anything."""


@command.command("list", cls=options.Command)
@click.argument("prefix", required=False, default="")
@options.output
@options.settings
@on_registry
def list_(view: View, registry: Registry, prefix: str) -> None:
    """List the recorded addresses; with PREFIX only some of them."""
    addresses = [address for address in sorted(registry.store.load().records) if address.startswith(prefix)]
    if addresses:
        view.write("\n".join(map(escape, addresses)))


@command.command("show", cls=options.Command)
@click.argument("address")
@options.option("at", "As it was then: a commit, a time (2026-11-24T10:00:00Z, or a day) or a serial.", metavar="WHEN")
@options.output
@options.settings
@on_registry
def show(view: View, registry: Registry, address: str, at: str | None) -> None:
    """Show one component's record, now or as it was."""
    from reconciler.render.state_text import render_record

    record = _now(registry, address) if at is None else _then(registry, address, at)
    view.write(render_record(record, view.style))


@command.command("pull", cls=options.Command)
@options.output
@options.settings
@on_registry
def pull(view: View, registry: Registry) -> None:
    """Print the whole state as JSON."""
    from reconciler.render.state_json import render_state

    sys.stdout.flush()
    sys.stdout.buffer.write(render_state(registry.store.load()))


@command.command("mv", cls=options.Command)
@click.argument("source")
@click.argument("target")
@options.locking
@options.output
@options.settings
@on_registry
def mv(view: View, registry: Registry, source: str, target: str, lock: bool, lock_timeout: float) -> None:
    """Record SOURCE as TARGET, as after a rename of its manifest. Its driver is not asked."""
    _check_address(target)
    taken = locking(registry, "state mv", lock, lock_timeout)
    move(source, target, new_run("state mv", NOWHERE), registry.store, taken)
    view.write(f"{escape(source)} is recorded as {escape(target)} now.")


@command.command("rm", cls=options.Command)
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@options.locking
@options.output
@options.settings
@on_registry
def rm(view: View, registry: Registry, addresses: tuple[str, ...], lock: bool, lock_timeout: float) -> None:
    """Forget components. What they stand for stays as it is, and is nobody's from then on."""
    taken = locking(registry, "state rm", lock, lock_timeout)
    forget(addresses, new_run("state rm", NOWHERE), registry.store, taken)
    view.write(f"{', '.join(map(escape, addresses))}: forgotten.")


for _command in (verify, backups, restore, push, migrate):
    command.add_command(_command)


def _now(registry: Registry, address: str) -> Record:
    record = registry.store.load().records.get(address)
    if record is None:
        hint = "`ureg state list` lists what is."
        raise Invalid(Diagnostic("address-unknown", f"{address} is not recorded", hint=hint))
    return record


def _then(registry: Registry, address: str, at: str) -> Record:
    serial = serial_at(registry, at, registry.store.load().serial)
    record = registry.store.record_at(address, serial)
    if record is None:
        hint = f"`ureg history {address}` tells when it was."
        raise Invalid(Diagnostic("address-unknown", f"{address} was not recorded at the serial {serial}", hint=hint))
    return record


def _check_address(address: str) -> None:
    try:
        parse_address(address)
    except ValueError as error:
        raise Invalid(Diagnostic("address-invalid", str(error))) from error
