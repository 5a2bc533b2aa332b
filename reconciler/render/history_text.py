"""The event log, for people: the whole of it, one component's part, and whether its chain is whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from reconciler.model.history import Damage, PastEvent, PastRun
from reconciler.render.escape import escape
from reconciler.render.style import Style
from reconciler.render.table import render_table

_EVENT = ("NUMBER", "TIME", "RUN", "ADDRESS", "VERB", "STATE", "SERIAL", "TEXT")
_PAST = ("TIME", "RUN", "WHO", "COMMIT", "VERB", "STATE", "SERIAL", "ERROR")
_SHORT = 8
_FRACTION = re.compile(r"\.\d+(?=Z$)")


def render_events(events: Iterable[PastEvent], style: Style, columns: int = 0) -> str:
    """A table in the order of `events`, or a sentence where there is none."""
    rows = [_event_row(event) for event in events]
    return render_table(_EVENT, rows, style, columns) if rows else "Nothing is in the log.\n"


def render_history(events: Iterable[PastEvent], runs: Mapping[str, PastRun], style: Style, columns: int = 0) -> str:
    """What happened to one component; `runs` tell who did it and from which commit."""
    return render_table(_PAST, [_history_row(event, runs.get(event.run)) for event in events], style, columns)


def render_chain(count: int, head: str, style: Style) -> str:
    """That the chain is whole, with what to note elsewhere so that it can be held against that later."""
    verdict = style.green("The chain is whole")
    return (
        f"{verdict}: {count} event{'s' * (count != 1)}, head {escape(head)}\n" if count else f"{verdict}: no event.\n"
    )


def render_damage(damage: Sequence[Damage], style: Style) -> str:
    """Each damage on a line of its own, with its place."""
    lines = [f"{style.red(escape(each.where))}: {escape(each.what)}" for each in damage]
    return "\n".join((*lines, ""))


def short(identifier: str) -> str:
    """As much of an id as people read and type."""
    return identifier[:_SHORT]


def moment(time: str) -> str:
    """A time to the second."""
    return _FRACTION.sub("", time)


def _event_row(event: PastEvent) -> tuple[str, ...]:
    return (
        str(event.number),
        moment(event.time),
        short(event.run),
        event.address,
        event.verb,
        _reached(event),
        str(event.serial),
        event.text,
    )


def _history_row(event: PastEvent, past: PastRun | None) -> tuple[str, ...]:
    who, commit = (past.run.who, past.run.commit) if past else ("", "")
    return (
        moment(event.time),
        short(event.run),
        who,
        short(commit),
        event.verb,
        _reached(event),
        str(event.serial),
        event.text,
    )


def _reached(event: PastEvent) -> str:
    """The state after the event, and the status where it is not the usual one."""
    return event.state if event.status in {"", "ok"} else f"{event.state} ({event.status})"
