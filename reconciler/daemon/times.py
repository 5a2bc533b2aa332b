"""Times of day as the daemon keeps them: RFC 3339 in UTC with milliseconds, so that they sort as texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(time: str, seconds: float) -> str:
    """`time` and so many seconds. The end of all time where it would be past that."""
    try:
        return text(moment(time) + timedelta(seconds=seconds))
    except OverflowError:
        return "9999-12-31T23:59:59.999Z"


def seconds_until(time: str, now: str) -> float:
    """From `now` to `time`; 0 where that is past."""
    return max(0.0, (moment(time) - moment(now)).total_seconds())
