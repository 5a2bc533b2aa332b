"""What was run on a state, for people: all runs as a table, or one with its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from reconciler.model.history import PastEvent, PastRun
from reconciler.render.escape import escape
from reconciler.render.history_text import moment, render_events, short
from reconciler.render.progress import duration
from reconciler.render.style import Style
from reconciler.render.table import render_table

_HEADERS = ("RUN", "OPERATION", "WHO", "STARTED", "TOOK", "COMMIT", "OUTCOME")
_NO_OUTCOME = "not ended"


def render_runs(runs: Iterable[PastRun], style: Style, columns: int = 0) -> str:
    """A table in the order of `runs`, or a sentence where there is none."""
    rows = [_row(past) for past in runs]
    return render_table(_HEADERS, rows, style, columns) if rows else "Nothing was run on this state yet.\n"


def render_run(past: PastRun, events: Sequence[PastEvent], style: Style, columns: int = 0) -> str:
    """Every fact of one run, and what it did."""
    facts = {
        "operation": past.run.operation,
        "who": past.run.who,
        "started": past.started,
        "finished": past.finished,
        "took": took(past),
        "commit": past.run.commit,
        "tree": past.run.tree,
        "outcome": past.outcome or _NO_OUTCOME,
    }
    lines = [style.bold(f"run {escape(past.run.id)}")]
    lines += [f"{name + ':':<11}{escape(value)}" for name, value in facts.items() if value]
    return "\n".join((*lines, "", render_events(events, style, columns)))


def took(past: PastRun) -> str:
    """How long the run took, "" for one that has not ended."""
    if not past.finished:
        return ""
    try:
        spent = datetime.fromisoformat(past.finished) - datetime.fromisoformat(past.started)
    except (ValueError, TypeError):  # a time that nobody here wrote
        return ""
    return duration(max(spent.total_seconds(), 0.0))


def _row(past: PastRun) -> tuple[str, ...]:
    run = past.run
    return (
        short(run.id),
        run.operation,
        run.who,
        moment(past.started),
        took(past),
        short(run.commit),
        past.outcome or _NO_OUTCOME,
    )
