"""Applying a plan and showing how it goes: what apply, destroy and watch share."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from reconciler.bootstrap import Registry
from reconciler.commands.interrupts import stop_on_interrupt
from reconciler.commands.locking import locking, new_run
from reconciler.commands.view import View, columns
from reconciler.engine.apply import apply_plan, refuse_guarded
from reconciler.engine.executor import Control
from reconciler.model.event import Event, Summary
from reconciler.model.plan import Mode, Plan
from reconciler.ports import Emit

EXIT_INTERRUPTED = 130


class Ask(NamedTuple):
    """The flags of a command line that say how to apply, and the intents that recovery left open."""

    lock: bool = True
    lock_timeout: float = 0.0
    overridden: tuple[str, ...] = ()
    unsettled: frozenset[str] = frozenset()


def run_plan(registry: Registry, view: View, made: Plan, operation: str, ask: Ask, verb: str = "") -> int:
    """Carries `made` out and returns the exit code. `verb` is the one that was asked for, where the plan is made of
    it. Raises Invalid for a stale or guarded plan."""
    from reconciler.render.summary import APPLY, DESTROY

    refuse_guarded(made, ask.overridden)
    shown = verb or (DESTROY if made.options.mode is Mode.DESTROY else APPLY)
    with stop_on_interrupt() as stop, progress(view, shown) as listen:
        summary = apply_plan(
            made,
            new_run(operation, made.revision),
            registry.store,
            locking(registry, operation, ask.lock, ask.lock_timeout),
            registry.driver_for,
            registry.clock,
            unbroken(listen),
            Control(registry.settings.parallelism, stop, ask.unsettled),
        )
    return exit_code(summary)


def exit_code(summary: Summary) -> int:
    if summary.interrupted:
        return EXIT_INTERRUPTED
    return 1 if summary.failed or summary.skipped else 0


def progress(view: View, operation: str) -> AbstractContextManager[Emit]:
    """Shows the events of `operation`: as JSON lines, redrawn on a terminal, or as plain lines."""
    if view.stream is not None:
        return nullcontext(view.stream.event)
    from reconciler.render.progress import LineProgress, LiveProgress

    if sys.stdout.isatty():
        return LiveProgress(sys.stdout, view.style, time.monotonic, columns, operation)
    return nullcontext(LineProgress(sys.stdout.write, view.style, operation))


def unbroken(listen: Emit) -> Emit:
    """`listen`, which nobody may be reading any more: a closed pipe must not stop an apply."""
    closed: list[OSError] = []

    def emit(event: Event) -> None:
        if not closed:
            try:
                listen(event)
            except OSError as error:
                closed.append(error)

    return emit
