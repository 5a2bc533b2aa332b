"""Kills an apply where it hurts: at the n-th call of the system of one sort, at a point of a driver, or at a moment."""

from __future__ import annotations

import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from crash.stage import APPLY, Done, Stage

SYNCS = ("fsync", "fdatasync", "ftruncate", "rename", "renameat", "link", "linkat", "unlink", "unlinkat")
WRITES = ("pwrite64", "write")
TALKS = ("sendto",)
"""How a program speaks to a PostgreSQL server."""

MOMENT = 0.05
"""Seconds in which no apply gets far enough to be worth a kill."""

JOURNAL = {"sqlite": SYNCS, "postgresql": TALKS}
"""The calls at whose borders a store's journal may be cut."""


class Boundary(NamedTuple):
    """The moment before the `number`-th call of `syscall` by the thread that writes the state."""

    syscall: str
    number: int


def boundaries(stage: Stage, syscalls: Sequence[str]) -> list[Boundary]:
    """Every boundary of an apply that nobody disturbs."""
    trace = stage.folder / "trace"
    stage.restore()
    done = stage.run(*APPLY, wrapper=["strace", "-qq", "-o", str(trace), "-e", f"trace={_set(syscalls)}"])
    assert done.code == 0, done.err
    counts = Counter(re.findall(r"^(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))
    return [Boundary(name, number + 1) for name in syscalls for number in range(counts[name])]


def kill_at(stage: Stage, boundary: Boundary) -> Done:
    """An apply that is killed at `boundary`. It may end before, as threads take turns as they like."""
    inject = f"inject=?{boundary.syscall}:signal=SIGKILL:when={boundary.number}"
    wrapper = ["strace", "-qqq", "-o", "/dev/null", "-e", f"trace=?{boundary.syscall}", "-e", inject]
    return stage.run(*APPLY, wrapper=wrapper)


def kill_after(stage: Stage, seconds: float) -> Done:
    return stage.run(*APPLY, kill_after=seconds)


def kill_within(stage: Stage, seconds: float) -> Done:
    """An apply that is killed after `seconds`, or sooner where it has ended by then."""
    done = kill_after(stage, seconds)
    while done.code != -signal.SIGKILL and seconds > MOMENT:
        stage.restore()
        seconds /= 2
        done = kill_after(stage, seconds)
    return done


def moments(stage: Stage, count: int, seed: str) -> list[float]:
    """Random moments of an apply, in seconds from its start; none is before it could have touched anything."""
    choice = random.Random(seed)
    return [choice.uniform(0.3, 1.05) * stage.seconds for _ in range(count)]


def _set(syscalls: Sequence[str]) -> str:
    return ",".join(f"?{name}" for name in syscalls)


def joined(first: Done, second: Done) -> Done:
    """Two commands that were killed one after the other, for the checker."""
    return second._replace(out=f"{first.out}\n{second.out}")


def spread(all_of_them: Sequence[Boundary], most: int) -> list[Boundary]:
    """At most `most` of them, evenly; every one where `most` is 0."""
    if not most or most >= len(all_of_them):
        return list(all_of_them)
    return [all_of_them[index * len(all_of_them) // most] for index in range(most)]


class Tally:
    """Kills on one stage, each judged by the checker, which applies once more."""

    def __init__(self, stage: Stage, note: Callable[[str, object], None]) -> None:
        self._stage = stage
        self._note = note
        self._killed = self._tried = 0
        self._longest = 0.0
        self._broken: list[str] = []

    def judge(self, what: object, crashed: Done) -> None:
        self._tried += 1
        self._killed += crashed.code == -signal.SIGKILL
        verdict = self._stage.check(crashed)
        self._longest = max(self._longest, verdict.seconds)
        self._broken += [f"{what}: {violation}" for violation in verdict.violations]

    def close(self) -> None:
        """Fails with everything that did not hold."""
        self._note(f"kills, {self._stage.store}", self._killed)
        self._note(f"longest apply after a kill, {self._stage.store}, in seconds", round(self._longest, 2))
        assert not self._broken, "\n".join(self._broken)
        assert self._killed, f"none of {self._tried} was killed"
