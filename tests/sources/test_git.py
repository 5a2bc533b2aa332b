"""git runs with safe arguments, and fails in words."""

from __future__ import annotations

import os
from collections.abc import Callable
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


def test_an_interrupt_typed_at_a_terminal_does_not_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\ncut -d ' ' -f 5 /proc/$$/stat\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert int(git.run_git(tmp_path, "version")) != os.getpgid(0)


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


def test_a_repository_is_made_once(tmp_path: Path) -> None:
    git.init_repository(tmp_path / "new")
    git.init_repository(tmp_path / "new")
    assert git.is_repository(tmp_path / "new")


def test_a_commit_is_found_by_what_a_user_calls_it(repository: Repository) -> None:
    commit = repository.commit()
    repository.git("tag", "-a", "v1", "-m", "first")
    for text in (commit, commit[:8], "HEAD", "main", "v1", "refs/heads/main", "HEAD~0"):
        assert git.resolve_commit(repository.root, text) == commit


@pytest.mark.parametrize(
    "text",
    ["", "nothing", "--all", "--output=/tmp/x", "^HEAD", "HEAD..HEAD", "HEAD:", "a\0b", "\n", "HEAD^{tree}", "-"],
)
def test_what_is_no_commit_is_said_in_words(repository: Repository, text: str) -> None:
    repository.write("a", "")
    repository.commit()
    with pytest.raises(git.GitError) as caught:
        git.resolve_commit(repository.root, text)
    assert "names no commit here" in caught.value.diagnostics[0].summary


def test_a_commit_is_looked_for_in_a_repository_only(tmp_path: Path) -> None:
    with pytest.raises(git.GitError) as caught:
        git.resolve_commit(tmp_path, "HEAD")
    assert caught.value.diagnostics[0].summary == "There is no git repository here"


def test_a_machine_without_git_is_told_so(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit()
    monkeypatch.setenv("PATH", str(repository.root))
    for call in (lambda: git.resolve_commit(repository.root, "HEAD"), lambda: git.run_git(repository.root, "version")):
        with pytest.raises(git.GitMissing):
            call()


def test_a_listing_that_is_too_long_is_not_read_on(repository: Repository) -> None:
    for number in range(5):
        repository.write(f"{number}", "")
    repository.commit()
    with git.start(repository.root, "ls-tree", "-z", "HEAD") as process:
        assert process.listing(most=5).count(b"\0") == 5
    with git.start(repository.root, "ls-tree", "-z", "HEAD") as process, pytest.raises(git.TooMuch):
        process.listing(most=4)


def test_a_listing_fails_in_words_and_in_time(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with git.start(repository.root, "ls-tree", "-z", "HEAD") as process, pytest.raises(git.GitError) as caught:
        process.listing(most=5)
    assert "Not a valid object name HEAD" in caught.value.words
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with (
        git.start(repository.root, "ls-tree") as process,
        pytest.raises(git.GitError, match=r"did not end within 0\.1 s"),
    ):
        process.listing(most=5, timeout=0.1)


def test_git_reads_what_it_is_given(repository: Repository) -> None:
    assert (
        git.run_git(repository.root, "hash-object", "--stdin", data=b"x")
        == b"c1b0730e0133447badcfd47fd144e254807b06e1\n"
    )
