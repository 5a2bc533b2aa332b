"""What people and machines see of `ureg watch` while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from reconciler.bootstrap import Registry
from reconciler.commands import planning
from reconciler.commands.applying import progress, unbroken
from reconciler.commands.interrupts import say_that_it_ends
from reconciler.commands.view import View
from reconciler.daemon.act import Audience
from reconciler.daemon.logs import Log
from reconciler.daemon.loop import Loop
from reconciler.model.daemon import CycleReport, Trigger, Verdict, Why
from reconciler.model.plan import Plan
from reconciler.ports import Emit, Listen
from reconciler.render.escape import escape
from reconciler.render.summary import APPLY

_SAID = frozenset({Verdict.SYNCED, Verdict.STOPPED})
"""Verdicts behind which nothing waits, or whose reason stands beside the plan."""


def audience(view: View) -> Audience:
    """Shows each cycle as a plan and an apply are shown."""
    return Audience(partial(_begin, view), partial(_show, view), view.report, partial(_progress, view))


def teller(view: View) -> Listen:
    """Tells people what is wrong with the source and what waits, when that is news."""

    def tell(report: CycleReport) -> None:
        before, after = report.before, report.after
        if view.stream is not None:
            return
        if after.trouble != before.trouble:
            told = after.trouble or f"{after.source} is well again"
            view.write(view.style.yellow(f"{escape(told).removesuffix('.')}."))
        if after.waits not in {"", before.waits} and after.verdict not in _SAID:
            view.write(view.style.dim(escape(after.waits)))

    return tell


def open_log(view: View, now: Callable[[], str], redact: Callable[[str], str]) -> Log:
    """The log: as JSON beside the messages, as text on standard error; nowhere where somebody sits and watches."""
    if view.stream is not None:
        return Log(sys.stdout.write, now, json=True, redact=redact)
    return Log(_nowhere if sys.stderr.isatty() else sys.stderr.write, now, redact=redact)


class Interruptible:
    """The loop as signals reach it: whoever ends it in the middle of a cycle is told that this takes a moment."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.tell = loop.tell

    def stop(self) -> None:
        if self._loop.working:
            say_that_it_ends()
        self._loop.stop()


def _nowhere(line: str) -> None:
    """Takes a line and forgets it."""


def _begin(view: View, triggers: tuple[Trigger, ...]) -> None:
    headline = _headline(triggers)
    if view.stream is None and headline:
        view.write(view.style.dim(headline))


def _headline(triggers: tuple[Trigger, ...]) -> str:
    if any(trigger.why is Why.START for trigger in triggers):
        return "Watching. Ctrl-C ends it."
    told = [trigger.detail for trigger in triggers if trigger.detail and not trigger.trouble]
    return "".join(f"\n{escape(text)}." for text in dict.fromkeys(told))


def _show(view: View, registry: Registry, plan: Plan) -> None:
    planning.show(registry, view, plan)


@contextmanager
def _progress(view: View, plan: Plan) -> Iterator[Emit]:
    with progress(view, APPLY) as listen:
        yield unbroken(listen)
