"""Shows a run as it goes: plain lines for logs, and one line redrawn in place for terminals.

Both take events one at a time from the thread of the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import islice
from types import TracebackType
from typing import TextIO

from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.model.event import Event, RunFinished, RunStarted, StepFinished, StepSkipped, StepStarted, Summary
from reconciler.model.plan import Step
from reconciler.render.cells import cut
from reconciler.render.escape import escape
from reconciler.render.style import Style
from reconciler.render.summary import APPLY, render_summary
from reconciler.render.track import Track

_MANY_STEPS = 50
"""In a longer run a component has one line, when it is done."""

_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "changed",
    Action.REPLACE: "replaced",
    Action.DELETE: "destroyed",
}
_MOST_RUNNING = 3
_REDRAW_SECONDS = 0.1
_TICK_SECONDS = 0.5
_ECHO = 3
"""Columns that stay free at the end of the line: a terminal shows Ctrl-C as ^C there."""


class _Ending:
    """What a run's last words are made of."""

    def __init__(self, style: Style, operation: str) -> None:
        self._style = style
        self._operation = operation
        self._failures: list[StepFinished] = []
        self._skipped: dict[Address, Address] = {}

    def failed(self, event: StepFinished) -> None:
        self._failures.append(event)

    def skipped(self, event: StepSkipped) -> None:
        if event.because != event.step.address:
            self._skipped.setdefault(event.step.address, event.because)

    def text(self, summary: Summary) -> str:
        return render_summary(summary, self._failures, self._skipped, self._style, self._operation)


class LineProgress:
    """Writes whole lines: of a short run two a step, of a long run one a component."""

    def __init__(self, write: Callable[[str], object], style: Style, operation: str = APPLY) -> None:
        self._write = write
        self._style = style
        self._ending = _Ending(style, operation)
        self._track = Track()
        self._short = True

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepFinished):
            self._finished(event)
        elif isinstance(event, StepStarted):
            if self._short:
                self._write(f"{_bold_name(event.step, self._style)}: {escape(event.step.verb)}...\n")
        elif isinstance(event, StepSkipped):
            self._ending.skipped(event)
        elif isinstance(event, RunStarted):
            self._short = event.steps <= _MANY_STEPS
        else:
            self._write(self._ending.text(event.summary))

    def _finished(self, event: StepFinished) -> None:
        name = _bold_name(event.step, self._style)
        progress = self._track.add(event)
        if event.error:
            self._ending.failed(event)
            self._write(f"{name}: {_failure(event, self._style)}\n")
        elif self._short:
            self._write(f"{name}: {escape(event.step.verb)} complete after {duration(event.elapsed)}\n")
        elif event.last:
            self._write(f"{name}: {_DONE[progress.action]} ({escape(', '.join(progress.verbs))})\n")


class LiveProgress:
    """Keeps one line on a terminal: how much is done, for how long, what runs now. Failures stay above it.

    As a context manager it also redraws while nothing happens. `now` gives seconds, `columns` the terminal's width.
    """

    def __init__(
        self,
        stream: TextIO,
        style: Style,
        now: Callable[[], float],
        columns: Callable[[], int],
        operation: str = APPLY,
    ) -> None:
        self._stream = stream
        self._style = style
        self._now = now
        self._columns = columns
        self._ending = _Ending(style, operation)
        self._steps = self._done = self._failed = 0
        self._running: dict[int, Step] = {}
        self._began = now()
        self._drawn = float("-inf")
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> LiveProgress:
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if not self._over.is_set():
                self._clear()
            self._over.set()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._running[event.step.number] = event.step
        elif isinstance(event, StepFinished):
            self._finished(event)
        elif isinstance(event, StepSkipped):
            self._done += 1
            self._ending.skipped(event)
        elif isinstance(event, RunStarted):
            self._steps, self._began = event.steps, self._now()
        else:
            self._finish(event)
            return
        self._redraw()

    def _finished(self, event: StepFinished) -> None:
        self._done += 1
        self._running.pop(event.step.number, None)
        if event.error:
            self._failed += 1
            self._ending.failed(event)
            self._clear()
            self._stream.write(f"{_bold_name(event.step, self._style)}: {_failure(event, self._style)}\n")

    def _finish(self, event: RunFinished) -> None:
        self._over.set()
        self._clear()
        self._stream.write(self._ending.text(event.summary))
        self._stream.flush()

    def _tick(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            with self._lock:
                if not self._over.is_set():
                    self._redraw()

    def _clear(self) -> None:
        self._drawn = float("-inf")
        self._stream.write("\r\x1b[K")

    def _redraw(self) -> None:
        now = self._now()
        if now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        self._stream.write(f"\r{cut(self._status(now), self._columns() - _ECHO)}\x1b[K")
        self._stream.flush()

    def _status(self, now: float) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        first = islice(self._running.values(), _MOST_RUNNING)
        shown = [f"{escape(step.address)}: {escape(step.verb)}" for step in first]
        more = f" and {len(self._running) - len(shown)} more" if len(self._running) > len(shown) else ""
        running = f"  {', '.join(shown)}{more}" if shown else ""
        return f"{self._done}/{self._steps} steps{failed}, {duration(now - self._began)}{running}"


def duration(seconds: float) -> str:
    """Whole seconds as Terraform writes them: `0s`, `75s` is `1m15s`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _bold_name(step: Step, style: Style) -> str:
    return style.bold(escape(step.address))


def _failure(event: StepFinished, style: Style) -> str:
    """The first line of what went wrong; the summary shows all of it."""
    first = event.error.strip().partition("\n")[0]
    return style.red(f"{escape(event.step.verb)} failed: {escape(first)}")
