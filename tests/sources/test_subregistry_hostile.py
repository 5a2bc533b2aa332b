"""Repositories that want to do harm: nothing of theirs is run, nothing outside of them is read, and none is endless."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from families import made
from repository import Repository

from reconciler.model.diagnostics import Invalid
from reconciler.ports import Source
from reconciler.sources.subregistry import SubRegistries
from reconciler.sources.subregistry_remote import Policy

GLOBS = ("registry.d/**/*.yaml",)

Open = Callable[[], Source]


@pytest.fixture
def child(tmp_path: Path) -> Repository:
    return made(tmp_path, "child", {"registry.d/a.yaml": "first\n"})


@pytest.fixture
def open_(child: Repository, tmp_path: Path) -> Open:
    policy = Policy(folders=(str(tmp_path),))
    children = SubRegistries(tmp_path, tmp_path / "mirrors", policy, str)
    return lambda: children.open("registry/child", {"source": {"path": str(child.root)}}, False, True).source


def put(child: Repository, kind: str, name: str, content: bytes = b"", commit: str = "") -> None:
    """Puts an entry of mode `kind` into the index of `child`, whatever git thinks of it, and commits that."""
    blob = commit or child_output(child, content, "hash-object", "-w", "--stdin")
    child.git("update-index", "--add", "--cacheinfo", f"{kind},{blob},{name}")
    child.git("commit", "-q", "-m", "evil")


def child_output(child: Repository, data: bytes, *args: str) -> str:
    identity = ("-c", "user.name=Eve", "-c", "user.email=eve@example.org")
    done = subprocess.run(["git", "-C", child.root, *identity, *args], input=data, check=True, capture_output=True)
    return done.stdout.decode().strip()


def test_links_are_refused_and_not_followed(child: Repository, open_: Open) -> None:
    put(child, "120000", "registry.d/evil.yaml", b"/etc/passwd")
    source = open_()
    assert source.snapshot(GLOBS).files[1] == ("registry.d/evil.yaml", "")
    assert source.read(["registry.d/evil.yaml"]) == {}
    assert "symbolic link" in source.refusal("registry.d/evil.yaml")


def test_submodules_are_refused_and_not_fetched(child: Repository, open_: Open) -> None:
    put(child, "160000", "registry.d/sub", commit="1" * 40)
    source = open_()
    assert "another git repository" in source.refusal("registry.d/sub") or source.snapshot(GLOBS)
    assert "another git repository" in source.refusal("registry.d/sub")


def test_nothing_that_its_configuration_names_is_run(child: Repository, open_: Open, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.sshCommand", "core.alternateRefsCommand"):
        child.git("config", name, str(program))
    child.git("config", "credential.helper", f"!{program}")
    for hook in ("post-checkout", "reference-transaction", "post-update", "pre-receive", "post-upload-pack"):
        (child.root / ".git/hooks" / hook).write_bytes(program.read_bytes())
        (child.root / ".git/hooks" / hook).chmod(0o755)
    (tmp_path / "ran").unlink(missing_ok=True)
    assert open_().snapshot(GLOBS).files
    assert not (tmp_path / "ran").exists()


def test_no_file_of_it_is_ever_checked_out(child: Repository, open_: Open, tmp_path: Path) -> None:
    child.write("registry.d/a.yaml", "kind: Nothing\n")
    child.write(".gitattributes", "* filter=evil\n")
    child.commit()
    open_().snapshot(GLOBS)
    (mirror,) = tmp_path.glob("mirrors/*")
    assert {path.name for path in mirror.glob("[0-9a-f]*/*")} == {".git"}
    assert not list(mirror.glob("*/.git/hooks/*"))
    assert "evil" not in "".join(path.read_text() for path in mirror.glob("*/.git/config"))


@pytest.mark.parametrize("name", [".git", ".GIT", "..", ".git\\x"])
def test_names_that_would_lead_elsewhere_are_refused(child: Repository, open_: Open, name: str) -> None:
    blob = child_output(child, b"x", "hash-object", "-w", "--stdin")
    entry = f"100644 {name}".encode() + b"\0" + bytes.fromhex(blob)
    tree = child_output(child, entry, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
    commit = child_output(child, b"evil", "commit-tree", tree)
    child.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(Invalid) as caught:
        open_()
    assert "hasDot" in caught.value.diagnostics[0].detail


def test_ten_million_paths_in_a_small_repository_are_not_listed(child: Repository, open_: Open) -> None:
    kind, entry = "100644 blob", child_output(child, b"a: 1\n", "hash-object", "-w", "--stdin")
    for _ in range(7):
        lines = "".join(f"{kind} {entry}\tf{number}.yaml\n" for number in range(10))
        kind, entry = "040000 tree", child_output(child, lines.encode(), "mktree")
    tree = child_output(child, f"{kind} {entry}\tregistry.d\n".encode(), "mktree")
    child.git("update-ref", "refs/heads/main", child_output(child, b"bomb", "commit-tree", tree))
    source = open_()
    with pytest.raises(Invalid) as caught:
        source.snapshot(GLOBS)
    assert caught.value.diagnostics[0].code == "commit-too-large"


def test_a_replaced_object_is_not_shown(child: Repository, open_: Open) -> None:
    good = child_output(child, b"first\n", "hash-object", "-w", "--stdin")
    evil = child_output(child, b"evil\n", "hash-object", "-w", "--stdin")
    child.git("replace", good, evil)
    assert open_().read(["registry.d/a.yaml"]) == {"registry.d/a.yaml": b"first\n"}


def test_a_blob_that_unfolds_is_not_read(child: Repository, open_: Open) -> None:
    (child.root / "registry.d/a.yaml").write_bytes(b"\n" * (40 << 20))
    child.commit()
    source = open_()
    assert source.read(["registry.d/a.yaml"]) == {}
    assert "41,943,040 bytes" in source.refusal("registry.d/a.yaml")
