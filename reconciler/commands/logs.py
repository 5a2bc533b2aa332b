"""`ureg logs`: what a component wrote."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Event, Thread, get_ident
from types import FrameType

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, on_registry
from reconciler.engine.choosing import unknown_component
from reconciler.model.diagnostics import Diagnostic, Invalid, Severity
from reconciler.model.record import Record
from reconciler.ports import Driver
from reconciler.render.escape import escape


@click.command("logs", cls=options.Command)
@click.argument("address")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, metavar="N",
              help="Start with the latest N lines (100).")  # fmt: skip
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, address: str, follow: bool, lines: int) -> None:
    """Show the latest log lines of the component at ADDRESS, oldest first. With -f, Ctrl-C ends it."""
    records = registry.store.load().records
    if address not in records:
        raise Invalid(unknown_component(address, records))
    driver = _driver(registry, records[address])
    written = 0
    with _until_nobody_reads() if follow else nullcontext():
        for line in _lines(driver, records[address], lines, follow):
            view.write(escape(line.rstrip("\r\n").expandtabs()))
            written += 1
    if not written and lines:
        view.report((Diagnostic("logs-none", f"{address} has no log lines", severity=Severity.WARNING),))


def _driver(registry: Registry, record: Record) -> Driver:
    kind = registry.catalogue.kinds.get(record.kind.lower())
    if kind is None:
        raise Invalid(Diagnostic("kind-unknown", f"No schema describes the kind {record.kind}", address=record.address))
    return registry.driver_for(kind.driver)


def _lines(driver: Driver, record: Record, lines: int, follow: bool) -> Iterator[str]:
    try:
        yield from driver.logs(record, lines, follow)
    except Exception as error:
        fault = "" if isinstance(error, OSError) else f"It has a bug: {type(error).__name__}. "
        summary = f"The {driver.name} driver cannot read the logs of {record.address}"
        raise Invalid(Diagnostic("logs-failed", summary, f"{fault}{error}", address=record.address)) from error


class _NobodyReads(BaseException):
    """The reader of standard output is gone. No Exception, so that no driver takes it for a failure of its own."""


@contextmanager
def _until_nobody_reads() -> Iterator[None]:
    """Raises BrokenPipeError in what is done meanwhile as soon as nobody reads standard output any more. A quiet log
    would not notice, since it is the next write that fails."""
    over, main = Event(), get_ident()

    def wait() -> None:
        poll = select.poll()
        poll.register(sys.stdout, 0)  # errors are told without being asked for
        poll.poll()
        if not over.is_set():
            signal.pthread_kill(main, signal.SIGHUP)

    def end(signum: int, frame: FrameType | None) -> None:
        raise _NobodyReads

    before = signal.signal(signal.SIGHUP, end)
    Thread(target=wait, daemon=True).start()
    try:
        yield
    except _NobodyReads:
        raise BrokenPipeError from None
    finally:
        over.set()
        signal.signal(signal.SIGHUP, before)
