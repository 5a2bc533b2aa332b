"""The status of the daemon for people: the registry as a whole, and each component that is not simply ready."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.daemon import ComponentStatus, Condition, ConditionType, Suspension, SyncStatus
from reconciler.model.history import Lock
from reconciler.render.escape import escape
from reconciler.render.history_text import moment, short
from reconciler.render.style import Style
from reconciler.render.table import render_table

_MOST_ROWS = 50
_HEADERS = ("COMPONENT", "CONDITION", "REASON", "SINCE", "MESSAGE")
_ALL_HEADERS = ("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE")
_TELLING = (ConditionType.STALLED, ConditionType.DRIFTED, ConditionType.SUSPENDED, ConditionType.RECONCILING)


def render_status(status: SyncStatus, silent: str, style: Style, columns: int = 0, lock: Lock | None = None) -> str:
    """Everything that is not as it should be. `silent` says since when no daemon reports, "" where one does; `lock`
    is held by the run that is under way."""
    facts = {
        "daemon": silent or f"{status.reporter}, {status.mode.value}, watches {status.source}",
        "verdict": status.verdict.value if status.last_run else "",
        "under way": f"{lock.info.operation} by {lock.info.who} since {moment(lock.created)}" if lock else "",
        "desired": _generation(status.desired),
        "in force": _generation(status.good) if status.good != status.desired else "",
        "applied": f"{_generation(status.applied)}{_at(status.applied_at)}" if status.applied else "",
        "components": _counts(status),
        "pending": ", ".join(f"{count} to {action}" for action, count in sorted(status.pending.items()) if count),
        "source": status.trouble,
        "waits": status.waits,
        "last run": moment(status.last_run) if status.last_run else "",
        "next run": moment(status.next_run) if status.next_run and not silent else "",
    }
    lines = [f"{name + ':':<12}{escape(value)}" for name, value in facts.items() if value]
    lines += [style.bold("\nErrors:"), *(f"  {escape(error)}" for error in status.errors)] if status.errors else []
    parts = ["\n".join((*lines, ""))]
    if status.suspensions:
        parts.append(_suspensions(status.suspensions, style, columns))
    if status.components:
        parts.append(_components(status.components, style, columns))
    return "\n".join(parts)


def render_component(component: ComponentStatus, style: Style, columns: int = 0) -> str:
    """All conditions of one component."""
    rows = [
        (one.type.value, "True" if one.status else "False", one.reason, moment(one.since), one.message)
        for one in component.conditions
    ]
    more = f"\n{component.failures} failures in a row." if component.failures else ""
    retry = f" Next try: {moment(component.retry)}." if component.retry else ""
    tail = f"{more}{retry}\n" if more else ""
    return f"{style.bold(escape(component.address))}\n{render_table(_ALL_HEADERS, rows, style, columns)}{tail}"


def _counts(status: SyncStatus) -> str:
    names = ("failed", "drifted", "suspended", "flapping")
    odd = [f"{count:,} {name}" for name in names if (count := getattr(status, name))]
    return ", ".join((f"{status.recorded:,} recorded", *odd))


def _generation(generation: str) -> str:
    commit, changed, _ = generation.partition("+")
    return f"{short(commit) or 'no commit'}{' with changes' if changed else ''}" if generation else ""


def _at(time: str) -> str:
    return f" at {moment(time)}" if time else ""


def _suspensions(suspensions: Sequence[Suspension], style: Style, columns: int) -> str:
    rows = [(s.scope, s.who, moment(s.since), moment(s.until) if s.until else "-", s.reason) for s in suspensions]
    return render_table(("SUSPENDED", "BY", "SINCE", "UNTIL", "REASON"), rows, style, columns)


def _components(components: Sequence[ComponentStatus], style: Style, columns: int) -> str:
    rows = [_row(component.address, _most_telling(component)) for component in components[:_MOST_ROWS]]
    more = f"and {len(components) - _MOST_ROWS:,} more\n" if len(components) > _MOST_ROWS else ""
    return render_table(_HEADERS, rows, style, columns) + more


def _row(address: str, condition: Condition) -> tuple[str, ...]:
    name = condition.type.value if condition.status else f"not {condition.type.value}"
    return (address, name, condition.reason, moment(condition.since), condition.message)


def _most_telling(component: ComponentStatus) -> Condition:
    ready = component.condition(ConditionType.READY)
    if component.failures:
        return ready
    return next((one for kind in _TELLING if (one := component.condition(kind)).status), ready)
