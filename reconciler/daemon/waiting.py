"""Whether what somebody waits for has come about, and whether it still can by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from reconciler.daemon.components import component_of
from reconciler.model.address import Address, parse_address
from reconciler.model.daemon import ALL, ComponentStatus, ConditionType, SyncStatus, Verdict
from reconciler.model.record import Record

_MOST_NAMED = 10


class Wish(NamedTuple):
    """That a condition of everything in `scope` (an address, a kind's slug, or ALL) has a value."""

    scope: str
    type: ConditionType
    value: bool


class Answer(NamedTuple):
    """`unmet` says what is not so yet, a line each; `hopeless` why it will not be by itself, "" where it may."""

    unmet: tuple[str, ...]
    hopeless: str = ""


def read_condition(text: str) -> tuple[ConditionType, bool]:
    """`Ready`, `Drifted=False`, in any case. Raises ValueError."""
    name, _, value = text.partition("=")
    kind = next((kind for kind in ConditionType if kind.value.lower() == name.lower()), None)
    if kind is None or value.lower() not in {"", "true", "false"}:
        known = ", ".join(kind.value for kind in ConditionType)
        raise ValueError(f"{text!r} is no condition: it is one of {known}, with =True or =False behind it")
    return kind, value.lower() != "false"


def look(wish: Wish, status: SyncStatus, records: Mapping[Address, Record]) -> Answer:
    """How far `wish` is met by what the daemon reported."""
    if _is_refused(wish, status):
        return Answer(status.errors, "The newest commit is refused, and the last good one stays in force.")
    reported = {component.address: component for component in status.components}
    lacking = [
        component
        for address in _meant(wish.scope, {*reported, *records})
        if (component := component_of(address, records.get(address), reported, status.suspensions, "")).holds(wish.type)
        is not wish.value
    ]
    return Answer(_lines(wish, lacking), _stalled(lacking) if _is_ready(wish) else "")


def _is_ready(wish: Wish) -> bool:
    return wish.type is ConditionType.READY and wish.value


def _is_refused(wish: Wish, status: SyncStatus) -> bool:
    return wish.scope == ALL and _is_ready(wish) and status.verdict is Verdict.REFUSED


def _meant(scope: str, addresses: Collection[Address]) -> list[Address]:
    if scope == ALL:
        return sorted(addresses)
    if "/" in scope:
        return [scope]
    return sorted(address for address in addresses if parse_address(address).kind == scope)


def _stalled(lacking: Sequence[ComponentStatus]) -> str:
    stalled = [one for one in lacking if one.holds(ConditionType.STALLED)]
    if not stalled:
        return ""
    why = stalled[0].condition(ConditionType.STALLED)
    return f"{stalled[0].address} is stalled ({why.reason}): {why.message}"


def _lines(wish: Wish, lacking: Sequence[ComponentStatus]) -> tuple[str, ...]:
    shown = [_line(component, wish.type) for component in lacking[:_MOST_NAMED]]
    more = [f"and {len(lacking) - _MOST_NAMED:,} more"] if len(lacking) > _MOST_NAMED else []
    return (*shown, *more)


def _line(component: ComponentStatus, wanted: ConditionType) -> str:
    condition = component.condition(wanted)
    value = "True" if condition.status else "False"
    said = f": {condition.message}" if condition.message else ""
    return f"{component.address}: {wanted.value}={value} ({condition.reason}){said}"
