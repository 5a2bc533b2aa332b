"""The work tree as a source: what a snapshot holds, in a git repository, in a folder of one, and in none."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from repository import Repository

from reconciler.model.diagnostics import Invalid
from reconciler.model.resource import Snapshot
from reconciler.ports import Source
from reconciler.sources.worktree import WorkTree, blob_id

PATTERNS = ("registry.d/**/*.yaml", "registry.d/**/*.yml", "software/*.yml")


def snapshot(root: Path) -> Snapshot:
    source: Source = WorkTree(root)
    return source.snapshot(PATTERNS)


def paths(found: Snapshot) -> list[str]:
    return [file.path for file in found.files]


@pytest.fixture
def filled(repository: Repository) -> Repository:
    for path in ("registry.d/b.yaml", "registry.d/deep/er/a.yml", "software/x.yml", "software/deep/x.yml", "README.md"):
        repository.write(path, f"path: {path}\n")
    repository.commit()
    return repository


def test_a_clean_tree(filled: Repository) -> None:
    found = snapshot(filled.root)
    assert paths(found) == ["registry.d/b.yaml", "registry.d/deep/er/a.yml", "software/x.yml"]
    assert found.files[0].content_id == filled.git("rev-parse", "HEAD:registry.d/b.yaml")
    assert found.revision.commit == filled.git("rev-parse", "HEAD")
    assert not found.revision.dirty


def test_contents(filled: Repository) -> None:
    source = WorkTree(filled.root)
    found = source.snapshot(PATTERNS)
    contents = source.read(paths(found))
    assert contents["software/x.yml"] == b"path: software/x.yml\n"
    assert [blob_id(contents[path]) for path in paths(found)] == [file.content_id for file in found.files]
    assert source.refusal("software/x.yml") == ""


def test_before_the_first_commit(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "a: 1\n")
    repository.write("registry.d/b.yaml", "a: 1\n")
    repository.git("add", "registry.d/a.yaml")
    found = snapshot(repository.root)
    assert paths(found) == ["registry.d/a.yaml", "registry.d/b.yaml"]
    assert found.revision.commit == ""
    assert found.revision.dirty


def test_an_empty_repository(repository: Repository) -> None:
    found = snapshot(repository.root)
    assert found.files == ()
    assert not found.revision.dirty


def modified(repository: Repository) -> None:
    repository.write("registry.d/b.yaml", "new: 1\n")


def staged(repository: Repository) -> None:
    modified(repository)
    repository.git("add", "--all")


def staged_and_modified(repository: Repository) -> None:
    repository.write("registry.d/b.yaml", "other: 1\n")
    repository.git("add", "--all")
    modified(repository)


def intended(repository: Repository) -> None:
    repository.git("rm", "--quiet", "--cached", "registry.d/b.yaml")
    modified(repository)
    repository.git("add", "--intent-to-add", "registry.d/b.yaml")


def unstaged_removal(repository: Repository) -> None:
    repository.git("rm", "--quiet", "--cached", "registry.d/b.yaml")
    modified(repository)


def assumed_unchanged(repository: Repository) -> None:
    repository.git("update-index", "--assume-unchanged", "registry.d/b.yaml")
    modified(repository)


@pytest.mark.parametrize(
    "change", [modified, staged, staged_and_modified, intended, unstaged_removal, assumed_unchanged]
)
def test_the_id_is_that_of_what_is_on_disk(filled: Repository, change: Callable[[Repository], None]) -> None:
    change(filled)
    found = snapshot(filled.root)
    assert dict(found.files)["registry.d/b.yaml"] == blob_id(b"new: 1\n")
    assert found.revision.dirty is (change is not assumed_unchanged)


def test_untracked_ignored_and_deleted_files(filled: Repository) -> None:
    filled.write(".gitignore", "ignored*\n")
    filled.write("registry.d/ignored.yaml", "a: 1\n")
    filled.write("registry.d/new/folder/n.yaml", "a: 1\n")
    (filled.root / "registry.d/b.yaml").unlink()
    filled.git("rm", "--quiet", "software/x.yml")
    found = snapshot(filled.root)
    assert paths(found) == ["registry.d/deep/er/a.yml", "registry.d/new/folder/n.yaml"]
    assert found.revision.dirty


def test_changes_elsewhere_do_not_make_it_dirty(filled: Repository) -> None:
    filled.write("README.md", "changed\n")
    filled.write("software/notes.txt", "new\n")
    assert not snapshot(filled.root).revision.dirty


def test_a_renamed_file(filled: Repository) -> None:
    filled.git("mv", "registry.d/b.yaml", "registry.d/c.yaml")
    assert paths(snapshot(filled.root))[0] == "registry.d/c.yaml"


def test_the_tree_digest_follows_paths_and_contents(filled: Repository) -> None:
    before = snapshot(filled.root).revision.tree
    modified(filled)
    changed = snapshot(filled.root).revision.tree
    filled.commit()
    assert snapshot(filled.root).revision.tree == changed != before
    filled.git("mv", "registry.d/b.yaml", "registry.d/c.yaml")
    assert snapshot(filled.root).revision.tree not in {before, changed}


def test_a_root_below_the_repositorys_top(repository: Repository) -> None:
    repository.write("infra/live/registry.d/a.yaml", "a: 1\n")
    repository.write("registry.d/other.yaml", "a: 1\n")
    repository.commit()
    repository.write("infra/live/registry.d/a.yaml", "new: 1\n")
    repository.write("infra/live/registry.d/b.yaml", "a: 1\n")
    found = snapshot(repository.root / "infra/live")
    assert dict(found.files)["registry.d/a.yaml"] == blob_id(b"new: 1\n")
    assert paths(found) == ["registry.d/a.yaml", "registry.d/b.yaml"]


def test_a_root_reached_through_a_link(filled: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(filled.root)
    assert snapshot(tmp_path / "link") == snapshot(filled.root)


def test_a_linked_work_tree(filled: Repository, tmp_path: Path) -> None:
    filled.git("worktree", "add", "--quiet", str(tmp_path / "second"), "-b", "second")
    assert snapshot(tmp_path / "second").files == snapshot(filled.root).files


def test_without_git(tmp_path: Path, filled: Repository) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(filled.root), str(copy)], check=True)
    subprocess.run(["rm", "-rf", str(copy / ".git")], check=True)
    found = snapshot(copy)
    assert found.files == snapshot(filled.root).files
    assert found.revision.tree == snapshot(filled.root).revision.tree
    assert (found.revision.commit, found.revision.dirty) == ("", True)


def test_a_pattern_at_the_root(filled: Repository) -> None:
    assert paths(WorkTree(filled.root).snapshot(["*.md"])) == ["README.md"]


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        snapshot(tmp_path / "nowhere")
    assert caught.value.diagnostics[0].code == "unreadable-root"


def test_a_damaged_repository_is_not_taken_for_a_plain_folder(tmp_path: Path) -> None:
    (tmp_path / "registry.d").mkdir()
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(Invalid, match=r"git .* failed"):
        snapshot(tmp_path)


def test_reading_without_a_snapshot(tmp_path: Path) -> None:
    source = WorkTree(tmp_path)
    (tmp_path / "a.yaml").write_text("a: 1\n")
    assert source.read(["b.yaml", "a.yaml"]) == {"a.yaml": b"a: 1\n"}
    assert source.refusal("b.yaml") == "is no longer there"
    (tmp_path / "b.yaml").write_text("b: 1\n")
    assert source.read(["b.yaml"]) == {"b.yaml": b"b: 1\n"}
    assert source.refusal("b.yaml") == ""


def test_a_file_that_changes_after_the_snapshot_is_not_read_under_its_old_id(filled: Repository) -> None:
    source = WorkTree(filled.root)
    source.snapshot(PATTERNS)
    filled.write("registry.d/b.yaml", "new: 1\n")
    assert source.read(["registry.d/b.yaml"]) == {}
    assert source.refusal("registry.d/b.yaml") == "changed while it was being read; run again"
