"""The command `python -m benchmarks.state`: what the journal, the log and a shared state cost, held against targets."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.command import common_arguments, show
from benchmarks.components import components
from benchmarks.interrupted import configs, kill_apply
from benchmarks.measure import Result, Task, measure
from benchmarks.registry import Registry

if TYPE_CHECKING:
    from state.postgres_server import PostgresServer

ROOT = Path(__file__).parents[1]

JOURNAL = 25
"""By how many per cent the journal may lengthen an apply."""
SHARED = 5.0
RECOVERY = 3.0
HISTORY = 0.3
OPENING = 0.6
"""Seconds."""

_OPEN = """
import gc, sys
from pathlib import Path
from reconciler.state.sqlite import SqliteStore
gc.disable()
SqliteStore(Path(sys.argv[1])).survey()
"""
_READ_RECORDS = """
import gc, sqlite3, sys
gc.disable()
sqlite3.connect(sys.argv[1]).execute("SELECT * FROM record").fetchall()
"""
_READ_LOG = """
import hashlib, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA integrity_check").fetchall()
for row in connection.execute("SELECT * FROM event ORDER BY number"):
    hashlib.blake2b("".join(map(str, row)).encode()).digest()
"""


class Line(NamedTuple):
    """A row of the table: `reached` is None where there is no target, or where nothing could be measured."""

    what: str
    took: str
    target: str = "-"
    reached: bool | None = None
    beside: str = "-"


class Bench(NamedTuple):
    """How to measure: the program, the runs of each task, components in an apply, and components and runs of a long
    past."""

    ureg: Path
    runs: int
    size: int
    past_size: int
    past_runs: int

    def measure(self, task: Task, size: int = 0) -> Result:
        return measure(task, size or self.size, self.runs)


def main() -> int:
    arguments = _arguments()
    bench = Bench(arguments.ureg, arguments.runs, arguments.size, arguments.past_size, arguments.past_runs)
    return show(lambda: _table(line for name in arguments.only or PARTS for line in PARTS[name](bench)))


def _arguments() -> argparse.Namespace:
    parser = common_arguments("python -m benchmarks.state", __doc__, PARTS)
    parser.add_argument("--size", type=int, default=10_000, help="components that are applied")
    parser.add_argument("--past-size", type=int, default=100_000, help="components of the state with a long past")
    parser.add_argument("--past-runs", type=int, default=10, help="how often each of them was changed")
    return parser.parse_args()


def journal(bench: Bench) -> Iterator[Line]:
    """The same apply with and without a journal."""
    with _registry(bench) as registry:
        task = registry.task("apply", "apply", "-auto-approve", before=registry.forget)
        command = [sys.executable, "-m", "benchmarks.unjournalled", *task.command[1:]]
        bare = replace(task, name="apply, no journal", command=command, environment=_environment(task, PYTHONPATH=ROOT))
        with_journal, without = bench.measure(task), bench.measure(bare)
        more, cpu = ((one / other - 1) * 100 for one, other in zip(with_journal[2:4], without[2:4], strict=True))
        yield Line(
            f"the journal, in an apply of {bench.size:,}",
            f"{more:+.0f} %",
            f"{JOURNAL:+} %",
            more <= JOURNAL,
            f"{with_journal.wall:.2f} s with it, {without.wall:.2f} s without; processor time {cpu:+.0f} %",
        )


def shared(bench: Bench) -> Iterator[Line]:
    """The apply on PostgreSQL, on a disk, beside the same one on SQLite."""
    what = f"apply of {bench.size:,} on PostgreSQL"
    with _registry(bench) as registry, ExitStack() as stack:
        server = _server(stack)
        if isinstance(server, str):
            yield Line(what, "not measured", f"{SHARED:g} s", None, server)
            return

        def forget() -> None:
            registry.forget()
            server.execute("DROP SCHEMA IF EXISTS ureg CASCADE")

        local = bench.measure(registry.task("apply on SQLite", "apply", "-auto-approve", before=registry.forget))
        task = registry.task("apply on PostgreSQL", "apply", "-auto-approve", before=forget)
        remote = bench.measure(replace(task, environment=_environment(task, UREG_STATE=server.url())))
        yield _seconds(what, remote.wall, SHARED, f"{_ratio(remote, local)} SQLite's {local.wall:.2f} s")


def recovery(bench: Bench) -> Iterator[Line]:
    """A plan that first settles what a killed apply left, less a plan that has nothing to settle."""
    with _folder() as folder:
        registry = Registry(folder / "estate", configs(bench.size), bench.ureg)
        kill_apply(registry, bench.size)
        left, state = folder / "left", registry.root / ".ureg"
        shutil.copytree(state, left)

        def put_back() -> None:
            shutil.rmtree(state)
            shutil.copytree(left, state)

        plan = ("plan", "-detailed-exitcode")
        first = bench.measure(registry.task("plan that recovers", *plan, before=put_back, expect=2))
        second = bench.measure(registry.task("plan afterwards", *plan, expect=2))
        beside = f"a plan that recovers {first.wall:.2f} s, the next one {second.wall:.2f} s"
        yield _seconds(f"recovery of {bench.size:,} open intents", first.wall - second.wall, RECOVERY, beside)


def past(bench: Bench) -> Iterator[Line]:
    """What is asked of a state with a long past, and how long it takes to open."""
    with _folder() as folder:
        registry = Registry(folder / "estate", components(100), bench.ureg)
        state, small = registry.root / ".ureg/state.db", folder / "small/state.db"
        _fill(state, bench.past_size, bench.past_runs)
        _fill(small, 100, bench.past_runs)
        size, count = bench.past_size, f"{bench.past_size * bench.past_runs:,} events"
        one = bench.measure(registry.task("history", "history", "component/part-000000"), size)
        yield _seconds(f"`history` of one component among {count}", one.wall, HISTORY)
        few = bench.measure(registry.task("events list", "events", "list", "-limit", "20"), size)
        yield Line(f"`events list -limit 20` among {count}", f"{few.wall:.2f} s")
        floor = bench.measure(_script("the log is read and hashed", _READ_LOG, state), size)
        whole = bench.measure(registry.task("events verify", "events", "verify"), size)
        beside = f"{_ratio(whole, floor)} reading and hashing, {whole.peak:.0f} MiB"
        yield Line(f"`events verify` of {count}", f"{whole.wall:.2f} s", beside=beside)
        yield _opening(bench, state, small)


PARTS: dict[str, Callable[[Bench], Iterator[Line]]] = {
    "journal": journal,
    "shared": shared,
    "recovery": recovery,
    "past": past,
}


def _opening(bench: Bench, state: Path, small: Path) -> Line:
    large = bench.measure(_script("a large state is opened", _OPEN, state), bench.past_size)
    less = bench.measure(_script("a small state is opened", _OPEN, small), 100)
    floor = bench.measure(_script("its rows are read", _READ_RECORDS, state), bench.past_size)
    what = f"opening a state of {bench.past_size:,}, more than one of 100"
    return _seconds(what, large.wall - less.wall, OPENING, f"{_ratio(large, floor)} reading its rows")


def _environment(task: Task, **more: object) -> dict[str, str]:
    return {**task.environment, **{name: str(value) for name, value in more.items()}}


def _fill(state: Path, size: int, runs: int) -> None:
    command = [sys.executable, "-m", "benchmarks.past", str(state), str(size), str(runs)]
    subprocess.run(command, cwd=ROOT, check=True)


def _script(name: str, text: str, state: Path) -> Task:
    return Task(name, [sys.executable, "-c", text, str(state)], ROOT)


@contextmanager
def _registry(bench: Bench) -> Iterator[Registry]:
    with _folder() as folder:
        yield Registry(folder / "estate", components(bench.size), bench.ureg)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
        yield Path(folder)


def _server(stack: ExitStack) -> PostgresServer | str:
    """A PostgreSQL server that syncs to a disk, until `stack` ends; the reason where there is none."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        from state.postgres_server import running_server

        return stack.enter_context(running_server(tempfile.gettempdir()))
    except (ImportError, RuntimeError) as error:
        return f"there is no PostgreSQL here ({error})"


def _seconds(what: str, took: float, target: float, beside: str = "-") -> Line:
    return Line(what, f"{took:.2f} s", f"{target:g} s", took <= target, beside)


def _ratio(result: Result, floor: Result) -> str:
    return f"{result.wall / floor.wall:.1f}x"


def _table(lines: Iterator[Line]) -> str:
    rows = [
        f"| {line.what} | {line.took} | {line.target} | {_VERDICTS[line.reached]} | {line.beside} |" for line in lines
    ]
    return "\n".join(("| what | took | target | | beside |", "| --- | ---: | ---: | --- | --- |", *rows))


_VERDICTS = {True: "reached", False: "missed", None: ""}


if __name__ == "__main__":
    sys.exit(main())
