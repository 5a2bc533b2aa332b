"""`ureg watch`: keeps the registry true to its files, or to a branch, for as long as it runs."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from reconciler.bootstrap import (
    Registry,
    at_commit,
    open_registry,
    open_secrets,
    reopened,
    stand_for_election,
    version,
    with_kept_cache,
)
from reconciler.commands import options
from reconciler.commands.apply import GUARDS
from reconciler.commands.locking import locking, new_run, who
from reconciler.commands.presence import missing_manifests, refuse_nowhere
from reconciler.commands.view import View, given_settings, make_view
from reconciler.commands.watching import Interruptible, audience, open_log, teller
from reconciler.daemon import memory
from reconciler.daemon.act import Rules
from reconciler.daemon.desired import Open
from reconciler.daemon.feeds import choice
from reconciler.daemon.feeds.wake import WakeFeed
from reconciler.daemon.lifetimes import read_lifetimes
from reconciler.daemon.logs import Log
from reconciler.daemon.loop import Loop
from reconciler.daemon.notify import targets
from reconciler.daemon.outlets import Outlets, open_metrics, open_outlets
from reconciler.daemon.reconcile import Reconciler
from reconciler.daemon.service import Service
from reconciler.daemon.trace import TracedCycles, open_tracer, traced
from reconciler.model.daemon import CycleReport, SyncMode, Trigger
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.settings import is_database
from reconciler.ports import Feed

if TYPE_CHECKING:
    from reconciler.daemon.http import Routes

_MODES = [mode.value for mode in SyncMode]
_LAST_PORT = 65535
_FIRST_WORD = 10.0
"""Seconds that the first cycle waits for the branch to be looked at. What was in force before goes on without it."""

_COLLECT = 50_000
"""How many new objects start a collection of garbage: more than a cycle makes. `_tidy` collects between cycles."""

_LAST_NOTICES = 5.0
"""Seconds that notices get to be sent at the end."""


class Wanted(NamedTuple):
    """The flags of the command line that are no settings of the registry."""

    auto_approve: bool
    mode: str | None
    branch: str | None
    remote: str | None
    interval: float | None
    listen: tuple[str, int] | None
    debounce: float
    override_guard: tuple[str, ...]
    lock: bool
    lock_timeout: float


class _Place(click.ParamType[tuple[str, int]]):
    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not host or not port.isascii() or not port.isdecimal() or int(port) > _LAST_PORT:
            self.fail(f"{value!r} is no place to listen at (like 127.0.0.1:9464)", param, ctx)
        return host.strip("[]"), int(port)


@click.command("watch", cls=options.Command)
@options.flag("auto-approve", "Apply each plan, instead of only showing it.")
@options.option("mode", "What is done by itself, instead of what the settings say.", type=click.Choice(_MODES))
@options.option("branch", "Watch a branch instead of the working tree.", metavar="NAME")
@options.option("remote", "The repository that the branch is in.", metavar="NAME|URL|FOLDER")
@options.option(
    "interval", "How often to look for drift and at the branch.", type=options.Duration(), metavar="DURATION"
)
@options.option("listen", "Serve /healthz, /readyz, /metrics and the hook here.", type=_Place(), metavar="HOST:PORT")
@options.flag("json", "Write machine-readable messages, one object a line.")
@options.option(
    "debounce", "How long files must be quiet first.", type=options.Duration(), default="0.1s", metavar="DURATION"
)
@options.option("override-guard", "Apply although a plan passes this guard.", multiple=True, type=click.Choice(GUARDS))
@options.locking
@options.output
@options.settings
def command(json: bool, no_color: bool, compact_warnings: bool, **flags: Any) -> int:
    """Plan, or with -auto-approve apply, whenever a manifest, a schema or the settings change.

    Bad input is reported and waited out: what was in force before stays so, and the next change is looked at as if
    nothing had happened. A component that fails is tried again by itself, and keeps no other one waiting.
    """
    view = make_view(json, not no_color, compact_warnings)
    given = given_settings(flags)
    gc.enable()
    gc.set_threshold(_COLLECT)
    return view.guard(lambda: _run(view, given, Wanted(**flags)))


def _run(view: View, given: Mapping[str, str], wanted: Wanted) -> None:
    mode = _mode(wanted)
    registry = with_kept_cache(open_registry(Path.cwd(), given, os.environ))
    refuse_nowhere(registry)
    _refuse_unlocked(registry, wanted)
    view.report(missing_manifests(registry))
    lifetimes = read_lifetimes(registry.settings.watch)
    registry, election = stand_for_election(registry, who(), lifetimes.lease)
    service = Service(election, lifetimes, os.environ)
    secrets = open_secrets(registry, os.environ)
    log = open_log(view, registry.clock.now, secrets.redact)
    with ExitStack() as ends:
        tracer = open_tracer(os.environ, version())
        ends.callback(tracer.close)
        outlets = _outlets(registry, wanted, secrets.read, log)
        ends.callback(outlets.close, _LAST_NOTICES)
        watched = _choose(registry, wanted, secrets.read, log, outlets)
        rules = _rules(registry, wanted, watched.title, mode)
        follows = watched.repository is not None
        cycles = Reconciler(registry, _opener(registry, watched), rules, traced(audience(view), tracer), follows)
        listeners = [teller(view), service.heard, *outlets.listeners, _tidy]
        clock, turns = registry.clock, TracedCycles(cycles, tracer)
        patience = _FIRST_WORD if follows else 0.0
        loop = Loop(turns, clock, listeners, service.leads, service.expect, lifetimes.stall, patience)
        outlets.show(loop.waiting, service.leads)
        _listen(wanted, {**service.routes(), **watched.routes, **outlets.routes}, log, ends)
        with service.around(Interruptible(loop), watched.again):
            _turn(loop, (watched.feed, WakeFeed(registry.root)), log)


def _tidy(report: CycleReport) -> None:
    """Collects what a cycle has left, once all is told."""
    gc.collect()


def _turn(loop: Loop, feeds: Sequence[Feed], log: Log) -> None:
    """Runs the loop while `feeds` tell it of what changes."""

    def tell(trigger: Trigger) -> None:
        log.triggered(trigger)
        loop.tell(trigger)

    try:
        for feed in feeds:
            feed.start(tell)
        loop.run()
    finally:
        for feed in feeds:
            feed.stop()


def _mode(wanted: Wanted) -> SyncMode | None:
    mode = SyncMode(wanted.mode) if wanted.mode else None
    if mode not in {None, SyncMode.PLAN_ONLY} and not wanted.auto_approve:
        hint = "Give it too: nothing is applied without."
        raise Invalid(Diagnostic("flags", f"-mode={wanted.mode} needs -auto-approve", hint=hint))
    return mode


def _refuse_unlocked(registry: Registry, wanted: Wanted) -> None:
    """What a leader writes is checked against its term by the lock: without one, two could write."""
    if not wanted.lock and is_database(registry.settings.state):
        hint = "Leave it out: the daemon holds the lock only while it changes something."
        raise Invalid(Diagnostic("flags", "-lock=false does not go with a state in PostgreSQL here", hint=hint))


def _choose(
    registry: Registry, wanted: Wanted, read_secret: Callable[[str], str], log: Log, outlets: Outlets
) -> choice.Watched:
    asked = choice.Asked(wanted.branch or "", wanted.remote or "", wanted.interval, wanted.debounce)
    known = memory.recall(registry.store.notes).status
    accepted = known.good.partition("+")[0] if known else ""
    around = choice.Around(os.environ, accepted, read_secret, log.info, outlets.looked)
    return choice.choose(registry, asked, around)


def _opener(registry: Registry, watched: choice.Watched) -> Open:
    """Opens the registry as it is in a commit, or as its files are for ""."""
    follow = watched.repository is not None

    def open_at(commit: str) -> Registry:
        return at_commit(registry, commit, watched.repository, follow) if commit else reopened(registry)

    return open_at


def _rules(registry: Registry, wanted: Wanted, source: str, mode: SyncMode | None) -> Rules:
    return Rules(
        source=source,
        reporter=f"{who()} (process {os.getpid()})",
        approved=wanted.auto_approve,
        mode=mode,
        interval=wanted.interval,
        overridden=wanted.override_guard,
        locking=lambda operation: locking(registry, operation, wanted.lock, wanted.lock_timeout),
        new_run=new_run,
    )


def _outlets(registry: Registry, wanted: Wanted, read_secret: Callable[[str], str], log: Log) -> Outlets:
    watch, clock = registry.settings.watch, registry.clock
    around = targets.Around(registry.root.name, registry.root, os.environ, read_secret, clock.now)
    metrics = open_metrics(watch, version()) if wanted.listen else None
    return open_outlets(watch, registry.store.notes, around, log, metrics)


def _listen(wanted: Wanted, routes: Routes, log: Log, ends: ExitStack) -> None:
    if wanted.listen is None:
        return
    from reconciler.daemon.http import Listener

    host, port = wanted.listen
    try:
        listener = Listener(host, port, routes, log.info)
    except OSError as error:
        place = f"{host}:{port}"
        raise Invalid(Diagnostic("listen", f"Nothing can be served at {place}", f"{error.strerror}.")) from error
    listener.start()
    ends.callback(listener.stop)
    log.info("listening", at=":".join(map(str, listener.address)))
