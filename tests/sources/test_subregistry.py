"""Sub-registries are opened from real repositories: what is had of them, and what still serves when they are gone."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from families import made
from repository import Repository

from reconciler.model.diagnostics import Invalid, Severity
from reconciler.sources.subregistry import Opened, SubRegistries
from reconciler.sources.subregistry_remote import Policy, read_policy

ADDRESS = "registry/payments"
GLOBS = ("registry.d/**/*.yaml",)

Open = Callable[..., Opened]


@pytest.fixture
def child(tmp_path: Path) -> Repository:
    return made(tmp_path, "child", {"registry.d/a.yaml": "first\n"})


@pytest.fixture
def open_(tmp_path: Path) -> Open:
    """Opens the repository `child` under a policy."""
    root = tmp_path / "root"
    root.mkdir()

    def open_it(look: bool = True, policy: Policy | None = None, nested: bool = False, **spec: Any) -> Opened:
        policy = policy or Policy(folders=(str(tmp_path),))
        children = SubRegistries(root, tmp_path / "mirrors", policy, {"env:KEY": "s3cret-token"}.__getitem__)
        return children.open(ADDRESS, {"source": {"path": str(tmp_path / "child")}, **spec}, nested, look)

    return open_it


def content(opened: Opened, path: str = "registry.d/a.yaml") -> bytes:
    return opened.source.read([path])[path]


def refusal(open_it: Open, **given: Any) -> str:
    with pytest.raises(Invalid) as caught:
        open_it(**given)
    return "\n".join(f"{d.code}: {d.summary}\n{d.detail}\n{d.hint}" for d in caught.value.diagnostics)


def kept(tmp_path: Path) -> list[str]:
    """The commits that are kept, and whatever else a fetch may have left."""
    return sorted(p.name for p in tmp_path.glob("mirrors/*/*") if p.name not in {"owner", "refs", "compiled"})


def test_a_branch_is_followed_as_it_moves(child: Repository, open_: Open) -> None:
    first = open_()
    assert first.commit == child.git("rev-parse", "HEAD")
    assert content(first) == b"first\n"
    child.write("registry.d/a.yaml", "second\n")
    second = child.commit()
    assert (open_(look=False).commit, open_().commit) == (first.commit, second)
    assert (content(first), content(open_(look=False))) == (b"first\n", b"second\n")


def test_without_a_look_only_what_was_never_seen_is_asked_for(child: Repository, open_: Open) -> None:
    assert open_(look=False).commit == child.git("rev-parse", "HEAD")
    shutil.rmtree(child.root)
    assert open_(look=False).notes == ()


def test_a_tag_goes_before_a_branch_and_is_taken_for_its_commit(child: Repository, open_: Open) -> None:
    tagged = child.git("rev-parse", "HEAD")
    child.git("tag", "-a", "v1", "-m", "one")
    child.git("branch", "v1")
    child.git("switch", "-q", "v1")
    child.commit()
    assert open_(ref="v1").commit == tagged


def test_a_pinned_commit_is_fetched_once_and_then_nobody_is_asked(child: Repository, open_: Open) -> None:
    pinned = child.git("rev-parse", "HEAD")
    child.commit("later")
    assert open_(commit=pinned).commit == pinned
    shutil.rmtree(child.root)
    assert content(open_(commit=pinned)) == b"first\n"


def test_a_commit_that_a_force_push_dropped_still_serves_where_it_is_here(
    child: Repository, open_: Open, tmp_path: Path
) -> None:
    pinned = child.git("rev-parse", "HEAD")
    open_()
    child.git("commit", "-q", "--amend", "-m", "rewritten")
    child.git("reflog", "expire", "--expire=now", "--all")
    child.git("gc", "-q", "--prune=now")
    assert open_(commit=pinned).commit == pinned
    shutil.rmtree(tmp_path / "mirrors")
    told = refusal(open_, commit=pinned)
    assert f"no longer has the commit {pinned[:12]}" in told
    assert "registry-unavailable" in told
    assert "nothing is planned" in told
    assert kept(tmp_path) == []


def test_one_that_is_gone_goes_on_as_it_was_seen_last_with_a_warning(child: Repository, open_: Open) -> None:
    seen = open_().commit
    shutil.rmtree(child.root)
    again = open_()
    assert again.commit == seen
    (note,) = again.notes
    assert (note.code, note.severity) == ("registry-outdated", Severity.WARNING)
    assert seen[:12] in note.hint


def test_one_that_was_never_had_and_a_branch_that_never_was_are_errors(child: Repository, open_: Open) -> None:
    assert "has no branch or tag nowhere" in refusal(open_, ref="nowhere")
    shutil.rmtree(child.root)
    assert "does not appear to be a git repository" in refusal(open_)


def test_old_commits_are_not_kept_for_ever(child: Repository, open_: Open, tmp_path: Path) -> None:
    commits = []
    for number in range(8):
        commits.append(open_().commit)
        os.utime(next(tmp_path.glob(f"mirrors/*/{commits[-1]}/.git")), (number, number))
        child.commit()
    assert len(kept(tmp_path)) == 5
    assert commits[-1] in kept(tmp_path)
    assert commits[0] not in kept(tmp_path)


def test_one_repository_has_one_identity(child: Repository, open_: Open, tmp_path: Path) -> None:
    child.git("clone", "-q", "--bare", ".", "../bare.git")
    plain = open_().identity
    link = tmp_path / "link"
    link.symlink_to(child.root)
    assert open_(source={"path": str(link)}).identity == open_(source={"path": f"{child.root}/.git"}).identity == plain
    assert open_(source={"path": str(tmp_path / "bare.git")}).identity != plain
    assert open_(directory="other").identity != plain


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch /tmp/x",
        "git://127.0.0.1/x",
        "http://127.0.0.1/x",
        "file:///etc",
        "/etc",
        "https://user:password@127.0.0.1/x",
        "https://token@127.0.0.1/x",
        "ssh://-oProxyCommand=x/y",
        "ssh://git@-host/y",
        "https://127.0.0.1/a b",
        "https://127.0.0.1/a\nb",
        "https://127.0.0.1/--x\n",
        "",
    ],
)
def test_a_url_that_is_not_a_plain_one_never_reaches_git(open_: Open, url: str, tmp_path: Path) -> None:
    assert "registry-refused: The url of a sub-registry must be a plain one" in refusal(open_, source={"url": url})
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"ref": "--upload-pack=touch x"}, "is no branch or tag"),
        ({"ref": "-x"}, "is no branch or tag"),
        ({"commit": "--output=x"}, "is no full SHA-1 commit id"),
        ({"commit": "HEAD"}, "is no full SHA-1 commit id"),
        ({"commit": "../../../etc"}, "is no full SHA-1 commit id"),
        ({"source": {}}, "names the url or the path"),
    ],
)
def test_no_value_is_taken_for_an_option(child: Repository, open_: Open, spec: dict[str, Any], words: str) -> None:
    assert words in refusal(open_, **spec)


def test_only_what_the_settings_allow(child: Repository, open_: Open, tmp_path: Path) -> None:
    assert "by the protocol file" in refusal(open_, policy=Policy(("https",), (str(tmp_path),)))
    assert "lies outside of the folders" in refusal(open_, policy=Policy(folders=("/srv/git",)))
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed/link").symlink_to(child.root)
    below = Policy(folders=(str(tmp_path / "allowed"),))
    assert "lies outside of the folders" in refusal(open_, policy=below, source={"path": f"{tmp_path}/allowed/link"})


def test_what_is_below_the_root_may_be_named_by_the_root_alone(open_: Open, tmp_path: Path) -> None:
    inside = made(tmp_path / "root", "inside", {"registry.d/a.yaml": "in\n"})
    none = Policy(folders=())
    assert content(open_(policy=none, source={"path": "inside"})) == b"in\n"
    assert "has no folder here" in refusal(open_, policy=none, source={"path": "inside"}, nested=True)
    assert "lies outside" in refusal(open_, policy=none, source={"path": str(inside.root)}, nested=True)


def test_a_nested_one_gets_no_secret_of_ours(child: Repository, open_: Open) -> None:
    told = refusal(open_, nested=True, credentials={"secretRef": "env:KEY"})
    assert "may not name credentials" in told
    assert "s3cret-token" not in told


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_never_answers_is_given_up(open_: Open, silent: int, tmp_path: Path) -> None:
    told = refusal(open_, policy=Policy(timeout=0.5), source={"url": f"https://127.0.0.1:{silent}/x.git"})
    assert "did not end within 0.5 s" in told
    deadline = time.monotonic() + 5
    while any(f":{silent}/" in line for line in _command_lines()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_too_big_is_broken_off_and_not_kept(child: Repository, open_: Open, tmp_path: Path) -> None:
    seen = open_().commit
    (child.root / "big").write_bytes(os.urandom(3 << 20))
    child.commit()
    small = Policy(folders=(str(tmp_path),), most_bytes=1 << 20)
    (note,) = open_(policy=small).notes
    assert "holds more than 1 MiB in one commit" in note.summary
    assert kept(tmp_path) == [seen]


def test_settings_of_the_driver_are_the_policy() -> None:
    assert read_policy({}) == Policy()
    given = {"protocols": ["ssh"], "folders": [], "maxDepth": 1, "maxMebibytes": 2, "timeoutSeconds": 3}
    assert read_policy(given) == Policy(("ssh",), (), 1, 2 << 20, 3.0)


def _command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return lines
