"""Runs a command as a whole process, several times, and keeps what the operating system says that it cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

KIB_PER_MIB = 1024


class Sample(NamedTuple):
    """One run: wall-clock and processor seconds, and the peak resident memory in MiB."""

    wall: float
    cpu: float
    peak: float


class WrongExit(Exception):
    """A measured command did not end as it should have, so that its time would mean nothing."""


def nothing() -> None:
    """The preparation of a run that needs none."""


@dataclass(frozen=True, slots=True)
class Task:
    """A command to measure.

    `before` prepares each run and is not measured. `expect` is the exit code that shows that the command did what it
    is measured for. `warmup` is the number of runs that are not counted.
    """

    name: str
    command: Sequence[str]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = nothing
    expect: int = 0
    warmup: int = 1

    def whole_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


class Result(NamedTuple):
    """The medians of a task's runs."""

    name: str
    size: int
    wall: float
    cpu: float
    peak: float


def measure(task: Task, size: int, runs: int) -> Result:
    """Runs `task` and returns its medians. Raises WrongExit."""
    samples = [_run(task) for _ in range(task.warmup + runs)][task.warmup :]
    wall, cpu, peak = (median(column) for column in zip(*samples, strict=True))
    result = Result(task.name, size, wall, cpu, peak)
    print(f"  {size:>7,} {task.name}: {wall:.3f} s, {peak:.0f} MiB", file=sys.stderr, flush=True)
    return result


def _run(task: Task) -> Sample:
    task.before()
    start = time.perf_counter()
    process = subprocess.Popen(  # wait4 below reaps it, and alone tells its own peak memory
        task.command,
        cwd=task.cwd,
        env=task.whole_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != task.expect:
        raise WrongExit(f"{task.name}: exit {process.returncode}, not {task.expect}: {' '.join(task.command)}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KIB_PER_MIB)
