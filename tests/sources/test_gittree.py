"""A commit as a source: the same files as in a clean work tree, hostile ones refused, and everything counted first."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from repository import Repository

from reconciler.model.diagnostics import Invalid
from reconciler.sources import git, gittree
from reconciler.sources.gittree import GitTree
from reconciler.sources.worktree import WorkTree

PATTERNS = ["registry.d/**/*.yaml"]


def tree(repository: Repository, folder: str = "") -> GitTree:
    return GitTree(repository.root / folder, git.resolve_commit(repository.root, "HEAD"))


def test_a_commit_shows_what_a_clean_work_tree_shows(repository: Repository) -> None:
    repository.write("registry.d/a/b/one.yaml", "one: 1\n")
    repository.write("registry.d/näme.yaml", "two: 2\n")
    repository.write("registry.d/README", "no manifest\n")
    repository.write("elsewhere/x.yaml", "x: 1\n")
    commit = repository.commit()
    source = tree(repository)
    snapshot = source.snapshot(PATTERNS)
    assert snapshot == WorkTree(repository.root).snapshot(PATTERNS)
    assert (snapshot.revision.commit, snapshot.revision.dirty) == (commit, False)
    paths = [file.path for file in snapshot.files]
    assert paths == ["registry.d/a/b/one.yaml", "registry.d/näme.yaml"]
    assert source.read(paths) == {paths[0]: b"one: 1\n", paths[1]: b"two: 2\n"}


def test_the_same_files_are_listed_once(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "v: 1\n")
    repository.write("schemas/b.yaml", "v: 2\n")
    repository.commit()
    source = tree(repository)
    first = source.snapshot(PATTERNS)
    assert source.snapshot(PATTERNS) is first
    assert [file.path for file in source.snapshot(["schemas/*.yaml"]).files] == ["schemas/b.yaml"]
    assert source.snapshot(PATTERNS) == first
    assert source.read(["registry.d/a.yaml"]) == {"registry.d/a.yaml": b"v: 1\n"}


def test_the_work_tree_is_neither_read_nor_touched(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "v: 1\n")
    repository.commit()
    repository.write("registry.d/a.yaml", "v: 2\n")
    repository.write("registry.d/new.yaml", "v: 3\n")
    source = tree(repository)
    assert [file.path for file in source.snapshot(PATTERNS).files] == ["registry.d/a.yaml"]
    assert source.read(["registry.d/a.yaml"]) == {"registry.d/a.yaml": b"v: 1\n"}
    assert (repository.root / "registry.d/a.yaml").read_text() == "v: 2\n"


def test_a_registry_below_the_top_of_the_repository(repository: Repository) -> None:
    repository.write("shop/registry.d/a.yaml", "v: 1\n")
    repository.write("registry.d/b.yaml", "v: 2\n")
    repository.commit()
    source = tree(repository, "shop")
    assert [file.path for file in source.snapshot(PATTERNS).files] == ["registry.d/a.yaml"]
    assert source.read(["registry.d/a.yaml"]) == {"registry.d/a.yaml": b"v: 1\n"}


def test_files_of_the_root_itself(repository: Repository) -> None:
    repository.write("a.yml", "v: 1\n")
    repository.write("b/c.yml", "v: 2\n")
    repository.commit()
    assert [file.path for file in tree(repository).snapshot(["*.yml"]).files] == ["a.yml"]


def test_files_are_read_without_a_snapshot_too(repository: Repository) -> None:
    repository.write("ureg.yaml", "parallelism: 2\n")
    (repository.root / "schemas").mkdir()
    (repository.root / "link").symlink_to("ureg.yaml")
    repository.write("schemas/x.json", "{}")
    repository.commit()
    source = tree(repository)
    assert source.read(["ureg.yaml", "gone", "link", "schemas"]) == {"ureg.yaml": b"parallelism: 2\n"}
    assert "not in the commit" in source.refusal("gone")
    assert "link" in source.refusal("link")
    assert source.refusal("ureg.yaml") == ""


def test_links_and_submodules_are_refused(repository: Repository) -> None:
    repository.write("registry.d/real.yaml", "v: 1\n")
    repository.write("other/x.yaml", "v: 1\n")
    repository.write("README", "hello\n")
    for name, target in {
        "link.yaml": "/etc/passwd",
        "folder": "../other",
        "outside": "/etc",
        "dangling": "nowhere",
        "readme": "../README",
        "self": "self",
    }.items():
        (repository.root / "registry.d" / name).symlink_to(target)
    repository.commit()
    commit = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},registry.d/module")
    repository.git("commit", "-q", "-m", "module")
    source = tree(repository)
    refused = {file.path for file in source.snapshot(PATTERNS).files if not file.content_id}
    assert refused == {f"registry.d/{name}" for name in ("link.yaml", "folder", "outside", "module")}
    assert source.read(["registry.d/link.yaml", "registry.d/real.yaml"]) == {"registry.d/real.yaml": b"v: 1\n"}
    assert "link" in source.refusal("registry.d/link.yaml")
    assert "repository" in source.refusal("registry.d/module")


@pytest.mark.parametrize("pattern", ["registry.d/**/*.yaml", "registry.d/deeper/*.yaml"])
def test_a_link_in_the_place_of_the_registry_is_refused(repository: Repository, pattern: str) -> None:
    repository.write("other/deeper/x.yaml", "v: 1\n")
    (repository.root / "registry.d").symlink_to("other")
    repository.commit()
    assert list(tree(repository).snapshot([pattern]).files) == [("registry.d", "")]


def test_names_that_cannot_be_shown_are_refused(repository: Repository) -> None:
    blob = _blob(repository, b"x: 1\n")
    _index(repository, [(f"100644 {blob}", "registry.d/\x1b[31m.yaml"), (f"120000 {blob}", "registry.d/new\nline")])
    source = tree(repository)
    files = source.snapshot(PATTERNS).files
    assert [(file.path, file.content_id) for file in files] == [
        ("registry.d/\\x1b[31m.yaml", ""),
        ("registry.d/new\\nline", ""),
    ]


def test_a_large_file_is_refused_before_it_is_read(repository: Repository) -> None:
    repository.write("registry.d/large.yaml", "#" * (1 << 20) + "\n")
    repository.write("registry.d/small.yaml", "v: 1\n")
    repository.commit()
    source = tree(repository)
    assert set(source.read(["registry.d/large.yaml", "registry.d/small.yaml"])) == {"registry.d/small.yaml"}
    assert "1,048,577 bytes" in source.refusal("registry.d/large.yaml")


def test_what_is_too_much_together_is_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gittree, "MAX_TOTAL", 10)
    for number in range(4):
        repository.write(f"registry.d/{number}.yaml", f"v: {number}\n")
    repository.commit()
    with pytest.raises(Invalid, match="more than 10 bytes"):
        tree(repository).read([f"registry.d/{number}.yaml" for number in range(4)])


def test_one_content_in_many_places_is_read_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gittree, "MAX_TOTAL", 10)
    paths = [f"registry.d/{number}.yaml" for number in range(4)]
    for path in paths:
        repository.write(path, "v: 1\n")
    repository.commit()
    assert tree(repository).read(paths) == dict.fromkeys(paths, b"v: 1\n")


def test_ten_million_paths_are_not_counted_to_the_end(repository: Repository) -> None:
    name = _blob(repository, b"x: 1\n")
    entries = [(f"100644 blob {name}", f"{number}.yaml") for number in range(10)]
    for _ in range(7):
        made = _tree(repository, entries)
        entries = [(f"040000 tree {made}", f"d{number}") for number in range(10)]
    top = _tree(repository, [(f"040000 tree {made}", "registry.d")])
    commit = repository.git("commit-tree", top, "-m", "bomb")
    began = time.monotonic()
    with pytest.raises(Invalid, match="more than 500,000 files"):
        GitTree(repository.root, commit).snapshot(PATTERNS)
    assert time.monotonic() - began < 10


def test_the_budget_counts_what_is_looked_at(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gittree, "MAX_PATHS", 2)
    for number in range(5):
        repository.write(f"elsewhere/{number}", "")
    for number in range(2):
        repository.write(f"registry.d/{number}.yaml", f"v: {number}\n")
    repository.commit()
    assert len(tree(repository).snapshot(PATTERNS).files) == 2


def test_replaced_objects_are_not_believed(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "good: 1\n")
    repository.commit()
    good = repository.git("rev-parse", "HEAD:registry.d/a.yaml")
    repository.git("replace", good, _blob(repository, b"evil: 1\n"))
    assert repository.git("cat-file", "blob", good) == "evil: 1"
    assert tree(repository).read(["registry.d/a.yaml"]) == {"registry.d/a.yaml": b"good: 1\n"}


def test_an_object_that_is_not_here_is_said(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "v: 1\n")
    repository.commit()
    blob = repository.git("rev-parse", "HEAD:registry.d/a.yaml")
    (repository.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    source = tree(repository)
    assert source.read(["registry.d/a.yaml"]) == {}
    assert "fetch" in source.refusal("registry.d/a.yaml")


def _blob(repository: Repository, data: bytes) -> str:
    return _fed(repository, data, "hash-object", "-w", "--stdin")


def _tree(repository: Repository, entries: list[tuple[str, str]]) -> str:
    text = "".join(f"{head}\t{name}\0" for head, name in entries)
    return _fed(repository, text.encode(), "mktree", "-z")


def _index(repository: Repository, entries: list[tuple[str, str]]) -> None:
    text = "".join(f"{head}\t{name}\0" for head, name in entries)
    _fed(repository, os.fsencode(text), "update-index", "-z", "--add", "--index-info")
    repository.git("commit", "-q", "-m", "odd names")


def _fed(repository: Repository, data: bytes, *args: str) -> str:
    done = subprocess.run(["git", "-C", repository.root, *args], input=data, check=True, capture_output=True)
    return done.stdout.decode().strip()
