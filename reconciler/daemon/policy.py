"""What the settings say of how the daemon reconciles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.daemon.backoff import Backoff
from reconciler.daemon.windows import Window, read_windows
from reconciler.model.daemon import SyncMode
from reconciler.model.diagnostics import Diagnostics, Invalid
from reconciler.model.units import duration

_INTERVAL = 300.0
_HEALS = 5
_SHORTEST = 1.0
"""Seconds of a back-off, at least."""


class Policy(NamedTuple):
    """`interval` is in seconds; `heals` is how often an hour the drift of one component is mended."""

    mode: SyncMode = SyncMode.APPLY
    interval: float = _INTERVAL
    backoff: Backoff = Backoff()
    heals: int = _HEALS
    windows: tuple[Window, ...] = ()


def read_policy(watch: Mapping[str, Any]) -> Policy:
    """From the setting `watch`. Raises Invalid."""
    return Policy(
        SyncMode(watch.get("mode", SyncMode.APPLY)),
        duration(watch["interval"]) if "interval" in watch else _INTERVAL,
        _backoff(watch.get("backoff", {})),
        watch.get("healsPerHour", _HEALS),
        read_windows(watch.get("windows", ())),
    )


def unsound_policy(watch: Mapping[str, Any]) -> Diagnostics:
    """What is wrong with the setting `watch` beyond its shape."""
    try:
        read_policy(watch)
    except Invalid as error:
        return error.diagnostics
    return ()


def _backoff(value: Mapping[str, Any]) -> Backoff:
    default = Backoff()
    base = max(_SHORTEST, duration(value["base"])) if "base" in value else default.base
    cap = duration(value["cap"]) if "cap" in value else default.cap
    return Backoff(base, value.get("factor", default.factor), max(base, cap))
