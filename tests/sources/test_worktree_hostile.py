"""Repositories made to mislead: nothing of them runs, nothing outside the root is read, every refusal has words."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from repository import Repository

from reconciler.model.diagnostics import Invalid
from reconciler.sources.reader import LINK, MAX_BYTES
from reconciler.sources.worktree import WorkTree, blob_id

PATTERNS = ("registry.d/**/*.yaml",)


class Place(NamedTuple):
    """A folder to fill: a repository whose files are committed, or are not, or a plain folder."""

    repository: Repository
    kind: str

    @property
    def root(self) -> Path:
        return self.repository.root

    def seal(self) -> None:
        """Says that the folder is full."""
        if self.kind == "committed":
            self.repository.commit()


@pytest.fixture(params=["committed", "uncommitted", "plain"])
def place(request: pytest.FixtureRequest, repository: Repository, tmp_path: Path) -> Place:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.yaml").write_text("secret: 1\n")
    repository.write("registry.d/good.yaml", "a: 1\n")
    if request.param == "plain":
        (repository.root / ".git").rename(tmp_path / "moved")
    return Place(repository, request.param)


def refused(root: Path) -> dict[str, str]:
    """Takes a snapshot and reads it whole; what was refused, and why."""
    source = WorkTree(root)
    found = source.snapshot(PATTERNS)
    contents = source.read([file.path for file in found.files])
    assert all(source.refusal(path) == "" for path in contents)
    assert all(b"secret" not in data for data in contents.values())
    return {file.path: source.refusal(file.path) for file in found.files if file.path not in contents}


def test_links(place: Place, tmp_path: Path) -> None:
    folder = place.root / "registry.d"
    (folder / "file.yaml").symlink_to(tmp_path / "outside/secret.yaml")
    (folder / "inner.yaml").symlink_to("good.yaml")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "folder").symlink_to(tmp_path / "outside")
    (folder / "notes.txt").symlink_to("/etc/passwd")
    place.seal()
    assert refused(place.root) == dict.fromkeys(
        ["registry.d/file.yaml", "registry.d/folder", "registry.d/inner.yaml", "registry.d/loop.yaml"], LINK
    )


def test_the_registry_folder_itself_is_a_link(place: Place, tmp_path: Path) -> None:
    (place.root / "registry.d").rename(place.root / "elsewhere")
    (place.root / "registry.d").symlink_to(tmp_path / "outside")
    place.seal()
    assert refused(place.root) == {"registry.d": LINK}


def test_large_files(place: Place) -> None:
    place.repository.write("registry.d/large.yaml", "a" * (MAX_BYTES + 1))
    place.repository.write("registry.d/largest.yaml", "a" * MAX_BYTES)
    place.seal()
    assert refused(place.root) == {
        "registry.d/large.yaml": "has 1,048,577 bytes; ureg reads files of up to 1,048,576 bytes"
    }


def test_names(place: Place) -> None:
    for name in (b"new\nline.yaml", b"esc\x1b[31m.yaml", b"latin-\xff.yaml", "rtl-\u202e.yaml".encode()):
        (Path(os.fsdecode(os.fsencode(place.root) + b"/registry.d/" + name))).write_text("a: 1\n")
    place.repository.write("registry.d/easy!appointments baïkal.yaml", "a: 1\n")
    place.seal()
    missing = refused(place.root)
    assert sorted(missing) == [
        "registry.d/esc\\x1b[31m.yaml",
        "registry.d/latin-\\udcff.yaml",
        "registry.d/new\\nline.yaml",
        "registry.d/rtl-\\u202e.yaml",
    ]
    assert all("cannot be printed" in why for why in missing.values())


def test_pipes_and_sockets(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.repository.write("registry.d/pipe.yaml", "a: 1\n")
    place.seal()
    (place.root / "registry.d/pipe.yaml").unlink()
    os.mkfifo(place.root / "registry.d/pipe.yaml")
    monkeypatch.chdir(place.root / "registry.d")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.yaml")
        missing = refused(place.root)
    # git lists no devices, but notices one in the place of a tracked file.
    names = {"plain": {"pipe", "socket"}, "committed": {"pipe"}, "uncommitted": set()}[place.kind]
    assert missing == {f"registry.d/{name}.yaml": "is not a regular file" for name in names}


def test_a_folder_named_like_a_manifest(place: Place) -> None:
    place.repository.write("registry.d/folder.yaml/inner.yaml", "a: 1\n")
    place.seal()
    assert refused(place.root) == {}


def test_files_that_turn_into_links_after_the_snapshot(place: Place, tmp_path: Path) -> None:
    place.repository.write("registry.d/sub/secret.yaml", "mine: 1\n")
    place.seal()
    source = WorkTree(place.root)
    source.snapshot(PATTERNS)
    (place.root / "registry.d/sub").rename(place.root / "registry.d/old")
    (place.root / "registry.d/sub").symlink_to(tmp_path / "outside")
    (place.root / "registry.d/good.yaml").unlink()
    (place.root / "registry.d/good.yaml").symlink_to(tmp_path / "outside/secret.yaml")
    assert source.read(["registry.d/sub/secret.yaml", "registry.d/good.yaml"]) == {}
    assert source.refusal("registry.d/sub/secret.yaml") == f"lies below registry.d/sub, which {LINK}"
    assert source.refusal("registry.d/good.yaml") == LINK


@pytest.mark.parametrize(
    "path", ["../outside/secret.yaml", "/etc/passwd", "/passwd", "registry.d/../../outside/secret.yaml", "", "a\0b"]
)
def test_paths_that_leave_the_root(place: Place, path: str) -> None:
    source = WorkTree(place.root)
    assert source.read(["registry.d/good.yaml", path]) == {"registry.d/good.yaml": b"a: 1\n"}
    assert source.refusal(path) == "is not a path inside the repository"


def test_merge_conflicts(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "a: 1\n")
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("registry.d/a.yaml", "a: 2\n")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("registry.d/a.yaml", "a: 3\n")
    repository.commit()
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "other")
    assert refused(repository.root) == {"registry.d/a.yaml": "has merge conflicts; resolve them and run git add"}


def test_nested_repositories(repository: Repository, make_repository: Callable[[Path], Repository]) -> None:
    for name in ("registry.d/tracked", "registry.d/untracked"):
        nested = make_repository(repository.root / name)
        nested.write("a.yaml", "a: 1\n")
        nested.commit()
    repository.git("-c", "advice.addEmbeddedRepo=false", "add", "registry.d/tracked")
    repository.git("commit", "--quiet", "--message", "x")
    why = "is another git repository; ureg reads only files of this one"
    assert refused(repository.root) == {"registry.d/tracked": why, "registry.d/untracked": why}


def booby_trapped(trap: Path) -> str:
    """A program that leaves a trace, to be named in a git configuration."""
    program = trap.with_name("program")
    program.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    program.chmod(0o755)
    return str(program)


def test_configuration_that_names_programs_runs_none(repository: Repository, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    program = booby_trapped(trap)
    repository.write("registry.d/a.yaml", "a: 1\n")
    repository.commit()
    repository.git("config", "core.fsmonitor", program)
    repository.git("config", "core.hooksPath", str(tmp_path))
    repository.git("config", "filter.evil.clean", program)
    repository.git("config", "filter.evil.required", "true")
    repository.write(".gitattributes", "*.yaml filter=evil\n")
    repository.write("registry.d/a.yaml", "other: 1\n")
    found = WorkTree(repository.root).snapshot(PATTERNS)
    assert dict(found.files) == {"registry.d/a.yaml": blob_id(b"other: 1\n")}
    assert not trap.exists()
    repository.git("status")
    assert trap.exists(), "the trap itself does not work"


def test_a_bare_repository_in_the_tree_runs_nothing(repository: Repository, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    bare = repository.root / "registry.d/bare"
    bare.mkdir(parents=True)
    repository.git("init", "--quiet", "--bare", str(bare))
    with (bare / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {booby_trapped(trap)}\n\tbare = false\n\tworktree = {bare}\n")
    repository.write("registry.d/bare/a.yaml", "a: 1\n")
    repository.commit()
    assert dict(WorkTree(repository.root).snapshot(PATTERNS).files).keys() == {"registry.d/bare/a.yaml"}
    # Started inside of it, git would take it for the repository, and is told not to.
    with pytest.raises(Invalid):
        WorkTree(bare).snapshot(["*.yaml"])
    assert not trap.exists()


def test_a_work_tree_that_is_elsewhere(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    repository.write("registry.d/a.yaml", "a: 1\n")
    repository.commit()
    repository.git("config", "core.worktree", str(tmp_path / "outside"))
    with pytest.raises(Invalid):
        WorkTree(repository.root).snapshot(PATTERNS)


def test_replaced_objects_are_not_believed(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "good: 1\n")
    repository.commit()
    good = repository.git("rev-parse", "HEAD:registry.d/a.yaml")
    evil = repository.write("evil", "evil: 1\n")
    repository.git("replace", good, repository.git("hash-object", "-w", str(evil)))
    evil.unlink()
    found = WorkTree(repository.root).snapshot(PATTERNS)
    assert dict(found.files) == {"registry.d/a.yaml": good}
    assert not found.revision.dirty


def test_a_sparse_checkout_is_no_deletion(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "a: 1\n")
    repository.write("other/b.yaml", "a: 1\n")
    repository.commit()
    repository.git("sparse-checkout", "set", "other")
    assert refused(repository.root) == {"registry.d/a.yaml": "is no longer there"}
