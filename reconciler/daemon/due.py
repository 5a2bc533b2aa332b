"""When the daemon has something to do by itself: the one deadline that its loop waits with."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.daemon.times import later
from reconciler.daemon.verdict import Ended
from reconciler.daemon.windows import Opening
from reconciler.model.daemon import Why

_AGAIN = 1.0
"""Seconds after which a run that was ended early is gone on with, if nothing new comes."""


class Due(NamedTuple):
    """When the next cycle is, and why."""

    at: str
    why: Why


def next_due(ended: Ended, began: str, opened: Opening, interval: float) -> Due:
    """The first of what is waited for: the next look for drift, a next try, the end of a suspension, a window. What
    came while the cycle lasted, since it `began`, is past, but nobody has acted on it yet."""
    times = [Due(later(ended.now, interval), Why.INTERVAL)]
    times += [Due(retry.due, Why.RETRY) for retry in ended.retries.values()]
    times += [Due(until, Why.RETRY) for until in ended.found.flapping.values()]
    times += [Due(one.until, Why.RETRY) for one in ended.suspensions]
    if ended.interrupted:
        times.append(Due(later(ended.now, _AGAIN), Why.RETRY))
    if not opened.allowed:
        times.append(Due(opened.until, Why.WINDOW))
    return min((due for due in times if due.at > began), key=lambda due: due.at)
