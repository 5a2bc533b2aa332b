"""Branches of real repositories: here, and mirrored from elsewhere."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Timer

import pytest
from estate import Estate

from reconciler.model.diagnostics import Invalid
from reconciler.sources.branch import Branch, MirroredBranch, open_remote, prefix_of
from reconciler.sources.git import GitError, run_git

GO_ON = Event()


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)


@pytest.fixture
def mirror(tmp_path: Path, estate: Estate) -> Callable[..., MirroredBranch]:
    def make(name: str = "main", prefix: str = "", **options: object) -> MirroredBranch:
        remote = open_remote(estate.work, "origin", options)
        return MirroredBranch(tmp_path / "mirror", prefix, remote, name)

    return make


def test_a_push_is_seen_and_its_files_are_there(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    first = estate.pushed("a: 1\n")
    branch = mirror()
    assert branch.tip(GO_ON) == first
    second = estate.pushed("a: 2\n")
    assert branch.tip(GO_ON) == second
    assert branch.rewritten(first, second) == ""
    assert run_git(branch.root, "cat-file", "blob", f"{second}:a.yaml") == b"a: 2\n"


def test_nothing_is_checked_out_and_nothing_else_is_fetched(
    estate: Estate, mirror: Callable[..., MirroredBranch]
) -> None:
    estate.pushed()
    estate.git("push", "-q", "origin", "HEAD:other")
    estate.git("tag", "v1")
    estate.git("push", "-q", "origin", "v1")
    branch = mirror()
    branch.tip(GO_ON)
    assert [path.name for path in branch.root.iterdir()] == [".git"]
    refs = run_git(branch.root, "for-each-ref", "--format=%(refname)").decode().split()
    assert refs == ["refs/ureg/tip"]


def test_a_registry_in_a_folder_of_its_repository(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    (estate.work / "estates" / "shop").mkdir(parents=True)
    (estate.work / "estates" / "shop" / "b.yaml").write_text("b: 1\n")
    commit = estate.pushed()
    prefix = prefix_of(estate.work / "estates" / "shop")
    branch = mirror(prefix=prefix)
    assert branch.tip(GO_ON) == commit
    assert run_git(branch.root, "ls-tree", "-r", "--name-only", commit) == b"b.yaml\n"


def test_a_force_push_is_told_from_a_push_and_takes_nothing_away(
    estate: Estate, mirror: Callable[..., MirroredBranch]
) -> None:
    estate.pushed("a: 1\n")
    branch = mirror()
    old = branch.tip(GO_ON)
    estate.commit("a: 2\n")
    estate.git("commit", "-q", "--amend", "-m", "other")
    estate.git("reset", "-q", "--hard", "HEAD~")
    estate.git("commit", "-q", "--amend", "-m", "rewritten")
    estate.push("--force")
    new = branch.tip(GO_ON)
    assert new != old
    assert branch.rewritten(old, new) == "was replaced by another history"  # its only commit was
    assert run_git(branch.root, "cat-file", "blob", f"{old}:a.yaml") == b"a: 1\n"
    branch.tidy()
    run_git(branch.root, "gc", "--quiet", "--prune=now")
    assert run_git(branch.root, "cat-file", "blob", f"{old}:a.yaml") == b"a: 1\n"


def test_a_rebase_is_told(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    estate.pushed("a: 1\n")
    old = estate.pushed("a: 2\n")
    branch = mirror()
    branch.tip(GO_ON)
    estate.git("commit", "-q", "--amend", "-m", "reworded")
    estate.push("--force")
    assert branch.rewritten(old, branch.tip(GO_ON)) == "was force-pushed"


def test_another_repository_in_its_place(tmp_path: Path, estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    old = estate.pushed("a: 1\n")
    branch = mirror()
    branch.tip(GO_ON)
    shutil.rmtree(estate.bare)
    shutil.rmtree(estate.work)
    again = Estate(tmp_path)
    new = again.pushed("z: 26\n")
    assert branch.tip(GO_ON) == new
    assert branch.rewritten(old, new) == "was replaced by another history"


def test_what_is_wrong_is_said(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    branch = mirror()
    with pytest.raises(GitError, match="origin is empty"):
        branch.tip(GO_ON)
    commit = estate.pushed()
    assert branch.tip(GO_ON) == commit
    estate.git("push", "-q", "origin", "HEAD:other")
    estate.run("git", "-C", str(estate.bare), "update-ref", "-d", "refs/heads/main")
    with pytest.raises(GitError, match="origin has no branch main: it was deleted"):
        branch.tip(GO_ON)
    aside = estate.bare.rename(estate.bare.with_name("aside.git"))
    with pytest.raises(GitError, match="origin cannot be reached"):
        branch.tip(GO_ON)
    aside.rename(estate.bare)
    estate.push()
    assert branch.tip(GO_ON) == commit


def test_a_shallow_remote(tmp_path: Path, estate: Estate) -> None:
    estate.pushed("a: 1\n")
    estate.pushed("a: 2\n")
    shallow = tmp_path / "shallow.git"
    estate.run("git", "clone", "-q", "--bare", "--depth=1", f"file://{estate.bare}", str(shallow))
    branch = MirroredBranch(tmp_path / "mirror", "", open_remote(estate.work, str(shallow), {}), "main")
    old = branch.tip(GO_ON)
    new = estate.pushed("a: 3\n")
    estate.git("push", "-q", str(shallow), "HEAD:main")
    assert branch.tip(GO_ON) == new
    assert branch.rewritten(old, new) == ""


def test_a_broken_object_stays_outside(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    good = estate.pushed()
    branch = mirror()
    branch.tip(GO_ON)
    tree = estate.git("rev-parse", "HEAD^{tree}")
    raw = f"tree {tree}\nauthor x <x> bad\ncommitter x <x> bad\n\nno\n"
    bad = estate.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", data=raw)
    estate.git("push", "-q", "--force", "origin", f"{bad}:refs/heads/main")
    with pytest.raises(GitError, match="main of origin cannot be fetched") as told:
        branch.tip(GO_ON)
    assert told.value.words
    assert run_git(branch.root, "cat-file", "-t", good) == b"commit\n"


def test_missing_objects_at_the_other_side(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    estate.pushed()
    branch = mirror()
    branch.tip(GO_ON)
    estate.pushed("a: 2\n")
    blob = estate.git("rev-parse", "HEAD:a.yaml")
    (estate.bare / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError, match="cannot be fetched"):
        branch.tip(GO_ON)


def test_too_much_is_not_fetched(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    (estate.work / "noise").write_bytes(os.urandom(3 << 20))
    estate.pushed()
    with pytest.raises(GitError, match="more than 1 MiB at once"):
        mirror(maxMebibytes=1).tip(GO_ON)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The url of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/estate.git"


def test_a_remote_that_hangs_is_given_up(tmp_path: Path, silent_server: str) -> None:
    remote = open_remote(tmp_path, silent_server, {"protocols": ["http"], "timeout": 0.3})
    branch = MirroredBranch(tmp_path / "mirror", "", remote, "main")
    begun = time.monotonic()
    with pytest.raises(GitError, match=r"did not answer within 0\.3 s"):
        branch.tip(GO_ON)
    assert time.monotonic() - begun < 5


def test_an_end_breaks_off_a_remote_that_hangs(tmp_path: Path, silent_server: str) -> None:
    remote = open_remote(tmp_path, silent_server, {"protocols": ["http"]})
    branch = MirroredBranch(tmp_path / "mirror", "", remote, "main")
    stop = Event()
    Timer(0.2, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(GitError):
        branch.tip(stop)
    assert time.monotonic() - begun < 5


def test_what_a_killed_fetch_left_does_not_last(estate: Estate, mirror: Callable[..., MirroredBranch]) -> None:
    estate.pushed()
    branch = mirror(timeout=1.0)
    branch.tip(GO_ON)
    commit = estate.pushed("a: 2\n")
    lock = branch.root / ".git" / "refs" / "ureg" / "tip.lock"
    lock.touch()
    with pytest.raises(GitError):
        branch.tip(GO_ON)
    assert lock.exists()  # somebody may still be at it
    os.utime(lock, (0, 0))
    with pytest.raises(GitError):
        branch.tip(GO_ON)
    assert branch.tip(GO_ON) == commit


def test_a_branch_of_this_repository(estate: Estate) -> None:
    branch = Branch(estate.work, "main")
    with pytest.raises(GitError, match="no branch main here"):
        branch.tip(GO_ON)
    old = estate.commit("a: 1\n")
    assert branch.tip(GO_ON) == old
    assert branch.rewritten(old, estate.commit("a: 2\n")) == ""


@pytest.mark.parametrize(
    "place",
    ["--upload-pack=touch x", "ext::sh -c id", "https://user:hunter2@host/x", "https://host/x\nurl = y", "-uX", "git://h/x",
     "https://-oProxyCommand=x/y", "ssh://-oProxyCommand=x/y", "file:///nowhere/at/all", "", "a\0b", "http://[::1/x"],
)  # fmt: skip
def test_other_places_are_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(Invalid) as told:
        open_remote(tmp_path, place, {"protocols": ["https", "ssh", "file", "http"]})
    assert "hunter2" not in str(told.value.diagnostics)


def test_protocols_are_those_of_the_settings(tmp_path: Path) -> None:
    assert (
        open_remote(tmp_path, "git@git.example.com:team/estate.git", {}).url
        == "ssh://git@git.example.com/team/estate.git"
    )
    for place, allowed in (("http://host/x", {}), (str(tmp_path), {"protocols": ["https"]})):
        with pytest.raises(Invalid, match="not allowed"):
            open_remote(tmp_path, place, allowed)


@pytest.mark.parametrize("name", ["-x", "a..b", "a:b", "*", "a b", "refs/heads/x~1", "a\n", "", "@{u}", "a.lock", "/a"])
def test_names_that_git_would_read_as_more_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="is no name of a branch"):
        Branch(tmp_path, name)


def test_hooks_and_configuration_of_nobody_run(
    tmp_path: Path, estate: Estate, mirror: Callable[..., MirroredBranch]
) -> None:
    estate.pushed()
    branch = mirror()
    branch.tip(GO_ON)
    trap = tmp_path / "trap"
    hook = branch.root / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    estate.pushed("a: 2\n")
    branch.tip(GO_ON)
    assert not trap.exists()
