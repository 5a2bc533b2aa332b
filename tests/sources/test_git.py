"""git runs with safe arguments, fails in words, and describes commits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest
from repository import Repository

from reconciler.sources import git


def test_an_error_carries_gits_own_words(tmp_path: Path) -> None:
    with pytest.raises(git.GitError) as caught:
        git.run_git(tmp_path, "rev-parse", "HEAD")
    assert "not a git repository" in caught.value.words
    assert caught.value.diagnostics[0].code == "git-failed"


def test_git_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(git.GitError, match="git cannot be run"):
        git.run_git(tmp_path, "version")


def test_a_git_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(git.GitError, match=r"did not end within 0\.2 s"):
        git.run_git(tmp_path, "status", timeout=0.2)


def test_variables_that_name_another_repository_are_not_handed_on(
    repository: Repository,
    make_repository: Callable[[Path], Repository],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = make_repository(tmp_path / "other")
    other.commit()
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    place = git.run_git(repository.root, "rev-parse", "--absolute-git-dir").decode().strip()
    assert place == str(repository.root / ".git")


def test_the_users_global_configuration_holds(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("[user]\nname = Grace\n")
    assert git.run_git(repository.root, "config", "user.name") == b"Grace\n"


def test_only_a_repositorys_own_filters_are_turned_off() -> None:
    printed = (
        b"global\0filter.lfs.clean\0local\0filter.x=y.clean\0local\0filter.x=y.required\0worktree\0filter.z.process\0"
    )
    assert git.without_filters(printed) == {
        "filter.x=y.clean": "",
        "filter.x=y.required": "false",
        "filter.z.process": "",
    }


def test_init_and_describe(tmp_path: Path) -> None:
    git.init_repository(tmp_path / "new")
    git.init_repository(tmp_path / "new")
    assert git.is_repository(tmp_path / "new")


def test_describe_commit(repository: Repository) -> None:
    repository.write("deep/a.yaml", "a: 1\n")
    commit = repository.commit("Add a service\n\nMore words.")
    found = git.describe_commit(repository.root / "deep", commit)
    assert (found.author, found.subject) == ("Test", "Add a service")
    assert int(found.date.astimezone(UTC).timestamp()) == int(repository.git("log", "-1", "--format=%at"))


@pytest.mark.parametrize("commit", ["HEAD", "--output=/tmp/x", "main", "", "0" * 40, "g" * 40, "0" * 64])
def test_only_full_ids_of_commits_that_are_there(repository: Repository, commit: str) -> None:
    repository.commit()
    with pytest.raises(git.GitError):
        git.describe_commit(repository.root, commit)


def test_a_blob_is_no_commit(repository: Repository) -> None:
    repository.write("a.yaml", "a: 1\n")
    repository.commit()
    with pytest.raises(git.GitError):
        git.describe_commit(repository.root, repository.git("rev-parse", "HEAD:a.yaml"))
