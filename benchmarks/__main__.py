"""The command `python -m benchmarks`: builds estates in a temporary folder, measures, prints Markdown tables."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks import floors, table, terraform
from benchmarks.command import common_arguments, show
from benchmarks.components import components
from benchmarks.measure import Result, Task, measure
from benchmarks.registry import Registry

SIZES = (100, 1_000, 10_000, 100_000)
TERRAFORM_SIZES = (100, 1_000)
PARTS = ("floors", "ureg", "terraform")

Build: TypeAlias = Callable[[Path, int], Iterable[Task]]
"""Makes an estate of a size in a folder and gives the tasks to measure in it."""


def main() -> int:
    arguments = _arguments()
    return show(lambda: _report(arguments))


def _arguments() -> argparse.Namespace:
    parser = common_arguments("python -m benchmarks", __doc__, PARTS)
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="numbers of components, with commas between")
    parser.add_argument("--terraform-sizes", type=_sizes, default=TERRAFORM_SIZES, help="10000 adds half an hour")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _report(arguments: argparse.Namespace) -> str:
    parts = arguments.only or PARTS
    release = terraform.version() if "terraform" in parts else ""

    def ours(root: Path, size: int) -> Iterable[Task]:
        return Registry(root, components(size), arguments.ureg).tasks()

    def ground(root: Path, size: int) -> Iterable[Task]:
        return floors.tasks(Registry(root, components(size), arguments.ureg).root)

    def theirs(root: Path, size: int) -> Iterable[Task]:
        return terraform.Workspace(root, components(size), release).tasks()

    floor = _measured(ground, arguments.sizes if "floors" in parts else (), arguments.runs)
    ureg = _measured(ours, arguments.sizes if "ureg" in parts else (), arguments.runs)
    other = _measured(theirs, arguments.terraform_sizes if release else (), arguments.runs)
    tables = (
        _machine(arguments.runs, release),
        table.costs("ureg", ureg),
        table.growth("ureg, a component", ureg),
        table.costs("Floors", floor),
        table.costs(f"Terraform {release}", other),
        table.ratios("How many times longer Terraform takes", ureg, other),
    )
    return "\n".join(filter(None, tables))


def _measured(build: Build, sizes: Sequence[int], runs: int) -> list[Result]:
    results: list[Result] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
            results += [measure(task, size, runs) for task in build(Path(folder) / "estate", size)]
    return results


def _machine(runs: int, release: str) -> str:
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    programs = f"Python {platform.python_version()}, git {git}" + (f", Terraform {release}" if release else "")
    return (
        f"Medians of {runs} runs, whole processes: wall time, processor time, peak memory. "
        f"{os.cpu_count()} processors, {platform.system()}, {programs}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
