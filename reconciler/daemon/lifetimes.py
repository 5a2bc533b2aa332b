"""What the settings say of how long a daemon leads, ends and works before something is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.model.units import duration


class Lifetimes(NamedTuple):
    """In seconds. A leader outlives its last sign of life by `lease`, a daemon that is to end has `shutdown` for that,
    and one whose loop makes no turn for `stall` counts as dead."""

    lease: float = 2.0
    shutdown: float = 30.0
    stall: float = 3600.0


_NAMES = {"lease": "lease", "shutdownTimeout": "shutdown", "stallTimeout": "stall"}


def read_lifetimes(watch: Mapping[str, Any]) -> Lifetimes:
    """From the setting `watch`."""
    return Lifetimes(**{name: duration(watch[key]) for key, name in _NAMES.items() if key in watch})
