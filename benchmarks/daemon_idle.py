"""The command `python -m benchmarks.daemon_idle`: what a daemon costs that has nothing to do.

It starts a real `ureg watch` on an estate that is applied already, gives it time to settle, and reads from the system
what it used in a time without any change. Exit code 1 where that is more than is promised.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.components import components
from benchmarks.registry import Registry

MOST_CPU, MOST_MEMORY = 0.5, 150.0
"""Per cent of one processor, and MiB."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """Of a process: seconds of processors so far, resident MiB, and how often it woke up so far."""

    cpu: float
    memory: float
    wakes: int


class Idle(NamedTuple):
    name: str
    cpu: float
    """Per cent of one processor."""
    memory: float
    growth: float
    wakes: float
    """A second."""


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
        registry = Registry(Path(folder) / "estate", components(arguments.size), arguments.ureg)
        idles = list(_measured(registry, arguments))
    print(_table(idles, arguments))
    return int(any(idle.cpu > MOST_CPU or idle.memory > MOST_MEMORY for idle in idles))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemon_idle", description=__doc__)
    parser.add_argument("--size", type=int, default=10_000, help="number of components")
    parser.add_argument("--seconds", type=float, default=60, help="how long it is watched")
    parser.add_argument("--settle", type=float, default=10, help="seconds that it is given first")
    parser.add_argument(
        "--ureg", type=Path, default=Path(sys.executable).with_name("ureg"), help="the program to measure"
    )
    return parser.parse_args()


def _measured(registry: Registry, arguments: argparse.Namespace) -> Iterator[Idle]:
    """Files and a branch on SQLite; then, on PostgreSQL, one that leads and one that stands by."""
    ureg: Path = arguments.ureg
    _apply(registry, ureg, {})
    kinds: dict[str, list[str]] = {"files, SQLite": [], "branch, SQLite": ["-branch=main"]}
    for name, flags in kinds.items():
        with _daemon(registry, ureg, flags, {}) as process:
            yield _watch(name, process, arguments)
    with _postgres() as url:
        shared = {"UREG_STATE": url}
        _apply(registry, ureg, shared)
        with ExitStack() as stack:
            for name in ("leads, PostgreSQL", "stands by, PostgreSQL"):
                process = stack.enter_context(_daemon(registry, ureg, [], shared))
                time.sleep(arguments.settle)
                yield _watch(name, process, arguments)


@contextmanager
def _postgres() -> Iterator[str]:
    sys.path.append("tests")
    from state.postgres_server import running_server

    with running_server() as server:
        yield server.new_database()


def _apply(registry: Registry, ureg: Path, more: Mapping[str, str]) -> None:
    environment = {**os.environ, **registry.environment, **more}
    command = [str(ureg), "apply", "-auto-approve"]
    subprocess.run(command, cwd=registry.root, env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _daemon(
    registry: Registry, ureg: Path, flags: list[str], more: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, **registry.environment, **more}
    command = [str(ureg), "watch", "-auto-approve", *flags]
    with subprocess.Popen(
        command, cwd=registry.root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _watch(name: str, process: subprocess.Popen[bytes], arguments: argparse.Namespace) -> Idle:
    time.sleep(arguments.settle)
    began, before = time.monotonic(), _usage(process.pid)
    time.sleep(arguments.seconds)
    elapsed, after = time.monotonic() - began, _usage(process.pid)
    if process.poll() is not None:
        raise SystemExit(f"benchmarks: {name}: the daemon ended with {process.returncode}")
    cpu = (after.cpu - before.cpu) / elapsed * 100
    idle = Idle(name, cpu, after.memory, after.memory - before.memory, (after.wakes - before.wakes) / elapsed)
    print(f"  {name}: {idle.cpu:.2f} %, {idle.memory:.0f} MiB", file=sys.stderr, flush=True)
    return idle


def _usage(pid: int) -> Usage:
    """Its children are counted once they have ended, such as each git."""
    folder = Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    pages = int((folder / "statm").read_text().split()[1])
    wakes = sum(_switches(task / "status") for task in (folder / "task").iterdir())
    return Usage(sum(map(int, fields[11:15])) / _TICKS, pages * _PAGE / 2**20, wakes)


def _switches(path: Path) -> int:
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
    return int(lines["voluntary_ctxt_switches"])


def _table(idles: list[Idle], arguments: argparse.Namespace) -> str:
    lines = [
        f"### An idle daemon, {arguments.size:,} components, {arguments.seconds:g} s\n",
        "| what | processor | memory | growth | wakes a second |",
        "|---|---:|---:|---:|---:|",
    ]
    for idle in idles:
        cells = (f"{idle.cpu:.2f} %", f"{idle.memory:.0f} MiB", f"{idle.growth:+.1f} MiB", f"{idle.wakes:.1f}")
        lines.append(f"| {idle.name} | {' | '.join(cells)} |")
    lines.append(f"| at most | {MOST_CPU:g} % | {MOST_MEMORY:g} MiB | | |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
