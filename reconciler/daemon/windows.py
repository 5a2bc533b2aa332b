"""Sync windows: when the daemon may change something.

A window opens by a cron schedule in its time zone and stays open for its duration, counted in real time. A schedule
with a fixed hour that a change of clocks leaves out opens right after the gap; an hour that comes twice opens it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.bootstrap import SETTINGS_FILE
from reconciler.daemon.times import moment, text
from reconciler.model.diagnostics import Diagnostic, Invalid, Location
from reconciler.model.units import duration

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MOST_CHANGES = 20
"""How many openings and closings are looked at for the next one that matters."""

_FIELDS = 5
_SLACK = timedelta(hours=2)
"""So far from a moment the ticks around it begin: where an hour comes twice, local times do not tell what is past."""

_MOST_TICKS = 1_000


class Window(NamedTuple):
    schedule: str
    duration: float
    """In seconds."""
    zone: ZoneInfo
    allows: bool


class Opening(NamedTuple):
    """Whether changes may be made, and until when that is so; "" for always."""

    allowed: bool
    until: str


def read_windows(values: Iterable[Mapping[str, Any]]) -> tuple[Window, ...]:
    """The windows of the settings. Raises Invalid with every schedule and every time zone that is none."""
    windows: list[Window] = []
    problems: list[Diagnostic] = []
    for number, value in enumerate(values):
        try:
            windows.append(_read(value))
        except ValueError as error:
            hint = "A schedule is `MINUTE HOUR DAY MONTH WEEKDAY`, a time zone like Europe/Berlin."
            place = Location(SETTINGS_FILE, pointer=("watch", "windows", number))
            summary = f"The sync window {number + 1} cannot be read"
            problems.append(Diagnostic("window-invalid", summary, str(error), hint, place))
    if problems:
        raise Invalid(*problems)
    return tuple(windows)


def opening(windows: Sequence[Window], now: str) -> Opening:
    """Whether changes may be made at `now`."""
    if not windows:
        return Opening(True, "")
    time = moment(now)
    allowed = _allowed(windows, time)
    for _ in range(_MOST_CHANGES):
        changes = [change for window in windows if (change := _next_change(window, time))]
        if not changes:
            break
        time = min(changes)
        if _allowed(windows, time) != allowed:
            return Opening(allowed, text(time))
    return Opening(allowed, "")


def _read(value: Mapping[str, Any]) -> Window:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from cronsim import CronSim, CronSimError

    schedule, name = value["schedule"], value.get("timezone", "UTC")
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"This machine knows no time zone {name!r}.") from error
    if len(schedule.split()) != _FIELDS:
        raise ValueError(f"{schedule!r} has {len(schedule.split())} fields instead of {_FIELDS}.")
    try:
        CronSim(schedule, datetime(2000, 1, 1, tzinfo=zone))
    except CronSimError as error:
        raise ValueError(f"{schedule!r} is no schedule: {error}.") from error
    return Window(schedule, duration(value["duration"]), zone, value.get("kind", "allow") == "allow")


def _allowed(windows: Sequence[Window], time: datetime) -> bool:
    is_open = {window: _closes(window, time) is not None for window in windows}
    allowing = [window for window in windows if window.allows]
    denied = any(is_open[window] for window in windows if not window.allows)
    return not denied and (not allowing or any(is_open[window] for window in allowing))


def _next_change(window: Window, time: datetime) -> datetime | None:
    return _closes(window, time) or _opens(window, time)


def _closes(window: Window, time: datetime) -> datetime | None:
    """When the window closes that is open at `time`; None where it is not open."""
    opened = next((tick for tick in _ticks(window, time + _SLACK, reverse=True) if tick <= time), None)
    closes = opened + timedelta(seconds=window.duration) if opened else None
    return closes if closes and closes > time else None


def _opens(window: Window, time: datetime) -> datetime | None:
    """When the window opens next."""
    return next((tick for tick in _ticks(window, time - _SLACK, reverse=False) if tick > time), None)


def _ticks(window: Window, time: datetime, reverse: bool) -> Iterator[datetime]:
    from cronsim import CronSim

    local = time.astimezone(window.zone).replace(microsecond=0)
    return (tick.astimezone(UTC) for tick in islice(CronSim(window.schedule, local, reverse=reverse), _MOST_TICKS))
