"""What the commands of the benchmarks share: their common arguments, and how they end."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.measure import WrongExit


def common_arguments(prog: str, description: str | None, parts: Iterable[str]) -> argparse.ArgumentParser:
    """A parser of the arguments that every command of the benchmarks takes; `parts` are what it can measure."""
    made = argparse.ArgumentParser(prog=prog, description=description)
    made.add_argument("--runs", type=int, default=5, help="counted runs of each measurement, after one warm-up")
    made.add_argument("--only", choices=[*parts], action="append", help="leave out the other parts; may be repeated")
    made.add_argument(
        "--ureg", type=Path, default=Path(sys.executable).with_name("ureg"), help="the program to measure"
    )
    return made


def show(report: Callable[[], str]) -> int:
    """Prints the report, or why there is none; the exit code."""
    try:
        print(report())
    except (WrongExit, subprocess.CalledProcessError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0
