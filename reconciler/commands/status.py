"""`ureg status`: how the registry is, as the daemon reports it or, without one, as it is recorded."""

from __future__ import annotations

import os
import re
import time
from typing import NamedTuple

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, columns, on_registry
from reconciler.daemon import memory
from reconciler.daemon.components import component_of, without_daemon
from reconciler.daemon.suspensions import load_suspensions
from reconciler.daemon.times import later
from reconciler.model.address import Address
from reconciler.model.daemon import ComponentStatus, SyncStatus
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.history import Lock

_LATE = 60.0
"""Seconds after its next run was due from which on a daemon counts as gone."""

_PAUSE = 1.0
_REPORTER = re.compile(r".*@(?P<host>[^ ]+) \(process (?P<pid>[0-9]{1,9})\)")


class Report(NamedTuple):
    """`silent` says since when no daemon reports, "" where one does. `version` grows with each report. `lock` is held
    by the run that is under way, if one is."""

    status: SyncStatus
    silent: str
    version: int
    lock: Lock | None


@click.command("status", cls=options.Command)
@click.argument("address", required=False)
@options.flag("json", "Write JSON.", "as_json")
@options.flag("watch", "Go on, and write it again whenever it changes.")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, address: str | None, as_json: bool, watch: bool) -> None:
    """Show what the daemon wants, what it has done, and what is not as it should be; of ADDRESS its conditions."""
    last = ""
    while True:
        report = read_report(registry)
        text = _text(view, registry, report, address, as_json)
        if text != last:
            view.write(text if not last or as_json else f"\n{text}")
        if not watch:
            return
        last = text
        time.sleep(_PAUSE)


def read_report(registry: Registry) -> Report:
    """What there is to say now. Raises StateError."""
    now, notes = registry.clock.now(), registry.store.notes
    known = memory.recall(notes)
    suspensions, lock = load_suspensions(notes, now), registry.store.holder()
    if known.status is None:
        status = without_daemon(registry.store.load().records, suspensions, now)
        return Report(status, "none has reported yet", 0, lock)
    return Report(known.status._replace(suspensions=suspensions), _silent(known.status, now), known.version, lock)


def component(registry: Registry, report: Report, address: Address) -> ComponentStatus:
    """How one component is. Raises Invalid where nothing is known of it."""
    reported = {one.address: one for one in report.status.components}
    record = registry.store.survey().records.get(address)
    if record is None and address not in reported:
        hint = "`ureg get` lists what is recorded."
        raise Invalid(Diagnostic("address-unknown", f"Nothing is known of {address}", hint=hint))
    latest = [event.time for event in registry.store.events(address, newest=1)]
    since = latest[0] if latest else report.status.last_run
    return component_of(address, record, reported, report.status.suspensions, since)


def _text(view: View, registry: Registry, report: Report, address: str | None, as_json: bool) -> str:
    if as_json:
        import orjson

        from reconciler.render.status_json import component_value, status_value

        value = component_value(component(registry, report, address)) if address else status_value(report.status)
        return orjson.dumps({**value, "reports": not report.silent}, option=orjson.OPT_INDENT_2).decode()
    from reconciler.render.status_text import render_component, render_status

    if address:
        return render_component(component(registry, report, address), view.style, columns())
    return render_status(report.status, report.silent, view.style, columns(), report.lock)


def _silent(status: SyncStatus, now: str) -> str:
    late = bool(status.next_run) and later(status.next_run, _LATE) < now
    if not late and not _is_gone(status.reporter):
        return ""
    return f"none reports; the last was {status.reporter} at {status.last_run}"


def _is_gone(reporter: str) -> bool:
    """Whether the process of a reporter on this machine has provably ended."""
    match = _REPORTER.fullmatch(reporter)
    if not match or match["host"] != os.uname().nodename:
        return False
    try:
        os.kill(int(match["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
