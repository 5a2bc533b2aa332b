"""Watches a branch: looks at its tip at an interval, judges each new one, and tells which commit is to hold.

A commit that is refused (force-pushed where that is not wanted, not signed) is told as trouble; the one before stays.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple, Protocol

from reconciler.daemon.backoff import Backoff, delay
from reconciler.daemon.desired import sentence
from reconciler.model.daemon import Trigger, Why
from reconciler.model.diagnostics import Invalid

Refusal = Callable[[Path, str], str]
"""Why a commit in a repository does not count; "" where it does. Raises Invalid."""
Looked = Callable[[float, bool], None]
"""Takes how many seconds a look at the branch took, and whether the answer came."""

_LONGEST = 600.0
"""Seconds that failures may stretch the interval to."""

_END = 0.9
"""Seconds that an end is waited for."""


class Watched(Protocol):
    """A branch, as sources/branch.py has it. `title` is its name for people, `root` where its commits are read."""

    root: Path
    name: str
    title: str

    def tip(self, stop: Event) -> str:
        """The id of its newest commit. Raises Invalid, also once `stop` is set."""

    def rewritten(self, old: str, new: str) -> str:
        """What was done to it if the commit `new` does not build on `old`; "" where it does."""

    def tidy(self) -> None:
        """Called after a new commit was told."""


class Rules(NamedTuple):
    """`interval` is in seconds. `follow` says that a force-push is followed; otherwise only fast-forwards are.
    `refusal` judges each new commit, and `looked` is told of each look."""

    interval: float
    follow: bool = True
    refusal: Refusal = lambda root, commit: ""
    looked: Looked = lambda seconds, well: None


class BranchFeed:
    """Satisfies ports.Feed. `accepted` is the commit that held last, "" for none: a force-push that came while nobody
    looked is seen by it."""

    def __init__(self, branch: Watched, rules: Rules, accepted: str = "") -> None:
        self._branch = branch
        self._rules = rules
        self._accepted = accepted
        self._backoff = Backoff(rules.interval, cap=max(rules.interval, _LONGEST))
        self._stop = Event()
        self._wake = Event()
        self._thread: Thread | None = None
        self._told = False
        self._trouble = ""
        self._refused = self._why = ""
        self._failures = 0

    def start(self, tell: Callable[[Trigger], None]) -> None:
        self._thread = Thread(target=self._run, args=(tell,), name="feed-branch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_END)

    def look(self) -> None:
        """Looks at once, also while a failure is waited out. Returns at once."""
        self._wake.set()

    def again(self) -> None:
        """Looks at once, and tells which commit is to hold though that was told before. Returns at once."""
        self._told = False
        self._wake.set()

    def _run(self, tell: Callable[[Trigger], None]) -> None:
        while not self._stop.is_set():
            trigger = self._look()
            if trigger is not None and not self._stop.is_set():
                self._trouble = trigger.trouble
                tell(trigger)
            if trigger is not None and trigger.commit:
                self._branch.tidy()
            self._wake.wait(self._pause())
            self._wake.clear()

    def _look(self) -> Trigger | None:
        """What there is to tell, if anything."""
        try:
            tip = self._tip()
            self._failures = 0
            return self._judge(tip)
        except Invalid as error:
            words = sentence(error.diagnostics[0])
        except OSError as error:
            words = f"{self._branch.title} cannot be looked at: {error}"
        self._failures += 1
        return self._in_trouble(words)

    def _tip(self) -> str:
        began, well = monotonic(), False
        try:
            tip = self._branch.tip(self._stop)
            well = True
        finally:
            self._rules.looked(monotonic() - began, well)
        return tip

    def _judge(self, tip: str) -> Trigger | None:
        if tip == self._accepted and self._told:
            return self._well() if self._trouble else None
        if tip == self._refused:
            return None if self._trouble == self._why else self._in_trouble(self._why)
        trouble, detail = self._followed(tip)
        trouble = trouble or self._rules.refusal(self._branch.root, tip)
        if trouble:
            self._refused, self._why = tip, trouble
            return self._in_trouble(trouble)
        self._accepted, self._told, self._refused = tip, True, ""
        return Trigger(Why.COMMIT, detail, commit=tip)

    def _followed(self, tip: str) -> tuple[str, str]:
        """What is wrong with how the branch came to `tip`, and what has happened."""
        name, old = self._branch.title, self._accepted
        if old in {"", tip}:
            return "", f"{name} is at {tip[:12]}"
        what = self._branch.rewritten(old, tip)
        if not what:
            return "", f"push to {name}"
        said = f"{name} {what}, from {old[:12]} to {tip[:12]}"
        if self._rules.follow:
            return "", said
        hint = "push a commit that builds on it, or set watch.onForcePush to follow"
        return f"{said}. {old[:12]} stays in force: {hint}", ""

    def _well(self) -> Trigger:
        return Trigger(Why.SOURCE, f"{self._branch.title} is well again", commit=self._accepted)

    def _in_trouble(self, trouble: str) -> Trigger | None:
        return None if trouble == self._trouble else Trigger(Why.SOURCE, self._branch.title, trouble=trouble)

    def _pause(self) -> float:
        """Seconds until the next look: the interval, longer with each failure, and never quite the same."""
        return delay(self._backoff, self._failures + 1, token_hex(4))
