"""Times calls within this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


def median_of(runs: int, act: Callable[[], object]) -> float:
    """The median seconds of so many calls."""
    return median(timed(act) for _ in range(runs))


def timed(act: Callable[[], object]) -> float:
    """The seconds of one call."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
