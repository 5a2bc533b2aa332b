"""`ureg watch`: plans, or applies, whenever a file of the registry changes."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

import click

from reconciler.bootstrap import open_registry
from reconciler.commands import options, planning
from reconciler.commands.apply import GUARDS
from reconciler.commands.applying import Ask, run_plan
from reconciler.commands.presence import refuse_nowhere
from reconciler.commands.recovering import recover_first
from reconciler.commands.view import View, given_settings, make_view
from reconciler.daemon.watch import watch
from reconciler.engine.operations import Request
from reconciler.model.plan import Options
from reconciler.render.escape import escape


@click.command("watch", cls=options.Command)
@options.flag("auto-approve", "Apply each plan, instead of only showing it.")
@options.flag("json", "Write machine-readable messages, one object a line.")
@options.option(
    "debounce", "How long files must be quiet first.", type=options.Duration(), default="0.1s", metavar="DURATION"
)
@options.option("override-guard", "Apply although a plan passes this guard.", multiple=True, type=click.Choice(GUARDS))
@options.locking
@options.output
@options.settings
def command(
    auto_approve: bool,
    json: bool,
    debounce: float,
    override_guard: tuple[str, ...],
    lock: bool,
    lock_timeout: float,
    no_color: bool,
    compact_warnings: bool,
    **flags: Any,
) -> None:
    """Plan, or with -auto-approve apply, whenever a manifest, a schema or the settings change.

    Bad input is reported and waited out: the next change is looked at as if nothing had happened.
    """
    view = make_view(json, not no_color, compact_warnings)
    given = given_settings(flags)
    ask = Ask(lock, lock_timeout, override_guard)

    gc.enable()

    def cycle(changed: tuple[str, ...]) -> None:
        if view.stream is None:
            view.write(view.style.dim(_headline(changed)))
        view.guard(lambda: _reconcile(view, given, ask, auto_approve))

    watch(Path.cwd(), cycle, debounce, _until_signal())


def _headline(changed: tuple[str, ...]) -> str:
    if not changed:
        return "Watching. Ctrl-C ends it."
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"\n{escape(changed[0])}{more} changed."


def _reconcile(view: View, given: Mapping[str, str], ask: Ask, auto_approve: bool) -> int:
    registry = open_registry(Path.cwd(), given, os.environ)
    with closing(registry.store):
        refuse_nowhere(registry)
        unsettled = recover_first(registry, view, ask.lock, ask.lock_timeout)
        made = planning.make_and_show(registry, view, Request(Options()))
        if made is None:
            return 1
        if not auto_approve or not made.applyable:
            return 0
        return run_plan(registry, view, made, "watch", ask._replace(unsettled=unsettled))


def _until_signal() -> Event:
    """An event that the first SIGINT or SIGTERM outside of an apply sets."""
    stop = Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stop
