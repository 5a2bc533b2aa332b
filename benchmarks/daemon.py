"""The command `python -m benchmarks.daemon`: from a change to what is applied, and what a daemon costs that has nothing
to do, held against targets."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event
from typing import IO, NamedTuple, cast

from benchmarks.components import Component, components
from benchmarks.registry import Registry
from reconciler.sources.branch import MirroredBranch, open_remote

HOOKED = 300.0
FILES = 200.0
"""Milliseconds."""
IDLE = 0.5
"""Per cent of one processor."""
MEMORY = 150.0
"""MiB."""

DEBOUNCE = 100
SECRET = "only-for-this-benchmark"
SETTINGS = "watch: {fetch: {interval: 1h}, hook: {secret: {secretRef: 'env:HOOK_SECRET'}}}\n"
HOOK = """#!/bin/sh
read old new ref
exec curl -s -o /dev/null -H 'X-Gitlab-Event: Push Hook' -H 'X-Gitlab-Token: %s' \\
  -d "{\\"ref\\": \\"$ref\\", \\"after\\": \\"$new\\"}" http://127.0.0.1:%d/hooks/git
"""
APPLIED = b"Apply complete!"
TIMEOUT = 60.0


class Row(NamedTuple):
    """`took` and `target` are in `unit`; a `target` of None is none."""

    what: str
    took: float
    unit: str
    target: float | None = None

    def __str__(self) -> str:
        if self.target is None:
            return f"| {self.what} | {self.took:,.1f} {self.unit} | - | |"
        verdict = "reached" if self.took <= self.target else "missed"
        return f"| {self.what} | {self.took:,.1f} {self.unit} | {self.target:g} {self.unit} | {verdict} |"


class Estate:
    """A registry where all is applied, and a bare repository that it is pushed to."""

    def __init__(self, folder: Path, size: int, ureg: Path) -> None:
        parts = list(components(size))
        self.registry = Registry(folder / "estate", parts, ureg)
        self.root = self.registry.root
        self.bare = folder / "estate.git"
        self._part = parts[-1]
        self._edits = 0
        self._ureg = ureg
        self.environment = {**os.environ, **self.registry.environment, "HOOK_SECRET": SECRET}
        (self.root / ".git" / "info" / "exclude").write_text(".ureg\nureg.yaml\n", encoding="utf-8")
        self.git("clone", "-q", "--bare", str(self.root), str(self.bare))
        self.git("remote", "add", "origin", str(self.bare))
        (self.root / "ureg.yaml").write_text(SETTINGS, encoding="utf-8")
        self._run(str(ureg), "apply", "-auto-approve")

    def edited(self) -> Component:
        self._edits += 1
        return self._part.edited(self._edits)

    def git(self, *arguments: str) -> None:
        self._run("git", "-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org", *arguments)

    def _run(self, *command: str) -> None:
        subprocess.run(command, cwd=self.root, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def daemon(self, *arguments: str) -> Iterator[Daemon]:
        """`ureg watch`, once it has looked for the first time."""
        command = [str(self._ureg), "watch", "-auto-approve", *arguments]
        with subprocess.Popen(
            command, cwd=self.root, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield Daemon(process)
            finally:
                process.terminate()
                cast("IO[bytes]", process.stdout).read()


class Daemon:
    """A `ureg watch` that runs, and is quiet when this is made."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        while self.processor_seconds(2.0) > 0.1:
            pass

    def until_applied(self) -> None:
        """Returns when the next apply has ended."""
        for line in cast("IO[bytes]", self.process.stdout):
            if line.startswith(APPLIED):
                return
        raise SystemExit("benchmarks: the daemon ended")

    def processor_seconds(self, seconds: float) -> float:
        """How much processor time it takes within so many seconds."""
        before = self._processor_seconds()
        time.sleep(seconds)
        return self._processor_seconds() - before

    def memory(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def _processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def by_hook(estate: Estate, runs: int) -> Iterator[Row]:
    """A push whose hook calls the daemon's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hook = estate.bare / "hooks" / "post-receive"
    hook.write_text(HOOK % (SECRET, port), encoding="utf-8")
    hook.chmod(0o755)

    def commit() -> None:
        part = estate.edited()
        (estate.root / part.path).write_text(part.yaml(), encoding="utf-8")
        estate.git("commit", "-q", "-a", "-m", "edit")

    def push() -> None:
        estate.git("push", "-q", "origin", "HEAD:main")

    with estate.daemon("-branch=main", "-remote=origin", f"-listen=127.0.0.1:{port}") as daemon:
        took = _median(runs, commit, push, daemon)
        yield Row("from the start of `git push` to applied, by the hook", took, "ms", HOOKED)
        yield from _idle(daemon, "a branch and the listener")
    hook.unlink()


def by_files(estate: Estate, runs: int) -> Iterator[Row]:
    """A file that changes in the working tree."""

    def nothing() -> None:
        """A file needs no preparation."""

    def edit() -> None:
        part = estate.edited()
        unfinished = estate.root / f"{part.path}.tmp"
        unfinished.write_text(part.yaml(), encoding="utf-8")
        unfinished.rename(estate.root / part.path)

    with estate.daemon(f"-debounce={DEBOUNCE}ms") as daemon:
        took = _median(runs, nothing, edit, daemon) - DEBOUNCE
        yield Row("from a changed file to applied, less the debounce", took, "ms", FILES)
        yield from _idle(daemon, "the files")


def by_nothing(estate: Estate, runs: int) -> Iterator[Row]:
    """A look at a branch that has not moved."""
    remote = open_remote(estate.root, str(estate.bare), {})
    branch = MirroredBranch(estate.root.with_name("mirror"), "", remote, "main")
    branch.tip(Event())
    took = [_timed(lambda: branch.tip(Event())) for _ in range(5 * runs)]
    yield Row("a fetch that brings nothing new", median(took), "ms")


PARTS: Mapping[str, Callable[[Estate, int], Iterator[Row]]] = {
    "hook": by_hook,
    "files": by_files,
    "nothing": by_nothing,
}


def _idle(daemon: Daemon, what: str) -> Iterator[Row]:
    seconds = 20.0
    yield Row(f"idle, watching {what}: a processor", daemon.processor_seconds(seconds) / seconds * 100, "%", IDLE)
    yield Row(f"idle, watching {what}: memory", daemon.memory(), "MiB", MEMORY)


def _median(runs: int, before: Callable[[], None], act: Callable[[], None], daemon: Daemon) -> float:
    """Milliseconds from the beginning of `act` to the end of the apply that it brings about; the first is not
    counted."""

    def once() -> float:
        before()
        time.sleep(0.5)

        def whole() -> None:
            act()
            daemon.until_applied()

        return _timed(whole)

    return median([once() for _ in range(1 + runs)][1:])


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def main() -> int:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="ureg-benchmark-"))
    try:
        estate = Estate(folder, arguments.size, arguments.ureg)
        print(f"{arguments.size:,} components, medians of {arguments.runs} changes of one.\n")
        print("| what | took | target | |\n| --- | ---: | ---: | --- |")
        for name in arguments.only or PARTS:
            for row in PARTS[name](estate, arguments.runs):
                print(row, flush=True)
    finally:
        shutil.rmtree(folder)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemon", description=__doc__)
    parser.add_argument("--size", type=int, default=10_000, help="components that are applied")
    parser.add_argument("--runs", type=int, default=15, help="counted changes, after one that is not")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave out the other parts; may be repeated")
    parser.add_argument(
        "--ureg", type=Path, default=Path(sys.executable).with_name("ureg"), help="the program to measure"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
