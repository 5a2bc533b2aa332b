"""The feed of a branch, on a real bare repository that is pushed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from daemon.feeds.ear import Ear
from estate import Estate

from reconciler.daemon.feeds.branch import BranchFeed, Rules
from reconciler.model.daemon import Why
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.sources.branch import MirroredBranch, open_remote

SOON = 0.05
NEVER = 3600.0
Start = Callable[..., BranchFeed]


@pytest.fixture
def start(tmp_path: Path, estate: Estate, ear: Ear) -> Iterator[Start]:
    feeds: list[BranchFeed] = []

    def make(rules: Rules, accepted: str = "") -> BranchFeed:
        remote = open_remote(estate.work, "origin", {})
        feed = BranchFeed(MirroredBranch(tmp_path / "mirror", "", remote, "main"), rules, accepted)
        feeds.append(feed)
        feed.start(ear.tell)
        return feed

    yield make
    for feed in feeds:
        feed.stop()


def test_it_tells_what_it_finds_and_then_each_push_once(estate: Estate, start: Start, ear: Ear) -> None:
    first = estate.pushed("a: 1\n")
    start(Rules(SOON))
    told = ear.next()
    assert (told.why, told.commit, told.trouble) == (Why.COMMIT, first, "")
    second = estate.pushed("a: 2\n")
    assert ear.next()[1:3] == ("push to main of origin", second)
    assert ear.silent(0.4)


def test_a_look_is_taken_when_it_is_asked_for(estate: Estate, start: Start, ear: Ear) -> None:
    estate.pushed("a: 1\n")
    feed = start(Rules(NEVER))
    ear.next()
    commit = estate.pushed("a: 2\n")
    assert ear.silent(0.1)
    feed.look()
    assert ear.next().commit == commit


def test_a_force_push_is_followed_and_said(estate: Estate, start: Start, ear: Ear) -> None:
    estate.pushed("a: 1\n")
    old = estate.pushed("a: 2\n")
    start(Rules(SOON))
    ear.next()
    estate.git("commit", "-q", "--amend", "-m", "other")
    estate.push("--force")
    told = ear.next()
    assert told.detail == f"main of origin was force-pushed, from {old[:12]} to {told.commit[:12]}"
    assert told.trouble == ""


def test_a_force_push_is_stopped_at_where_that_is_set(estate: Estate, start: Start, ear: Ear) -> None:
    estate.pushed("a: 1\n")
    old = estate.pushed("a: 2\n")
    start(Rules(SOON, follow=False))
    ear.next()
    estate.git("commit", "-q", "--amend", "-m", "other")
    estate.push("--force")
    told = ear.next()
    assert (told.why, told.commit) == (Why.SOURCE, "")
    assert f"{old[:12]} stays in force" in told.trouble
    assert ear.silent(0.3)  # a state that lasts is said once
    estate.git("reset", "-q", "--hard", old)
    commit = estate.commit("a: 3\n")
    estate.push("--force")
    assert ear.next()[2:] == (commit, "")


def test_a_force_push_while_nobody_looked_is_seen(estate: Estate, start: Start, ear: Ear) -> None:
    estate.pushed("a: 1\n")
    old = estate.pushed("a: 2\n")
    first = start(Rules(SOON))
    ear.next()
    first.stop()
    estate.git("commit", "-q", "--amend", "-m", "other")
    estate.push("--force")
    start(Rules(SOON, follow=False), old)
    assert "was force-pushed" in ear.next().trouble


def test_trouble_is_told_once_and_so_is_its_end(estate: Estate, start: Start, ear: Ear) -> None:
    start(Rules(SOON))
    assert ear.next().trouble == "origin is empty: it has no branch at all"
    commit = estate.pushed()
    assert ear.next()[2:] == (commit, "")
    aside = estate.bare.rename(estate.bare.with_name("aside.git"))
    told = ear.next()
    assert told.why is Why.SOURCE
    assert told.trouble.startswith("origin cannot be reached: ")
    assert told.commit == ""
    assert ear.silent(0.4)
    aside.rename(estate.bare)
    assert ear.next() == (Why.SOURCE, "main of origin is well again", commit, "")


def test_a_refused_commit_is_told_and_the_old_one_stays(estate: Estate, start: Start, ear: Ear) -> None:
    judged = []

    def refusal(root: Path, commit: str) -> str:
        judged.append(commit)
        return "" if commit == good else f"{commit[:12]} is not signed"

    good = estate.pushed("a: 1\n")
    start(Rules(SOON, refusal=refusal))
    assert ear.next().commit == good
    bad = estate.pushed("a: 2\n")
    assert ear.next()[2:] == ("", f"{bad[:12]} is not signed")
    assert ear.silent(0.3)
    assert judged == [good, bad]
    estate.git("reset", "-q", "--hard", good)
    estate.push("--force")
    assert ear.next()[2:] == (good, "")


class Broken:
    """A branch at which nobody can look, and that counts how often somebody tried."""

    root, name, title = Path("/"), "main", "main of origin"

    def __init__(self) -> None:
        self.looks = 0

    def tip(self, stop: Event) -> str:
        self.looks += 1
        raise Invalid(Diagnostic("x", "It is broken"))

    def rewritten(self, old: str, new: str) -> str:
        return ""

    def tidy(self) -> None:
        pass


def test_failures_stretch_the_interval(ear: Ear) -> None:
    branch = Broken()
    feed = BranchFeed(branch, Rules(0.01))
    feed.start(ear.tell)
    assert ear.next().trouble == "It is broken"
    assert ear.silent(1.0)
    feed.stop()
    assert 4 <= branch.looks <= 8  # at 0.01 s it would be a hundred


def test_what_was_told_is_told_again_when_asked(estate: Estate, start: Start, ear: Ear) -> None:
    tip = estate.pushed()
    feed = start(Rules(NEVER))
    assert ear.next().commit == tip
    feed.look()
    assert ear.silent(0.3)
    feed.again()
    assert ear.next().commit == tip
