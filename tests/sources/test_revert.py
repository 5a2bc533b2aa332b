"""A rollback of some paths by one commit, which loses nothing and touches nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository import Repository

from reconciler.sources import git
from reconciler.sources.revert import Scope, put_back

SCOPE = Scope(("registry.d", "schemas", "ureg.yaml"), ("software/*.yml",))


@pytest.fixture
def repository(repository: Repository, tmp_path: Path) -> Repository:
    """Two versions: what the second one changes, adds and removes."""
    (tmp_path / "gitconfig").write_text("[user]\nname = Grace\nemail = grace@example.org\n")
    repository.write("registry.d/changed.yaml", "v: 1\n")
    repository.write("registry.d/removed.yaml", "v: 1\n")
    repository.write("ureg.yaml", "parallelism: 1\n")
    repository.write("software/a.yml", "v: 1\n")
    repository.write("software/gone.yml", "v: 1\n")
    repository.write("software/notes.txt", "1\n")
    repository.write("README", "1\n")
    repository.commit("first")
    repository.git("tag", "first")
    repository.write("registry.d/changed.yaml", "v: 2\n")
    repository.write("registry.d/.hidden/added.yaml", "v: 2\n")
    repository.write("schemas/added.schema.json", "{}\n")
    repository.write("software/a.yml", "v: 2\n")
    repository.write("software/new.yml", "v: 2\n")
    repository.write("software/notes.txt", "2\n")
    repository.write("README", "2\n")
    for path in ("registry.d/removed.yaml", "ureg.yaml", "software/gone.yml"):
        (repository.root / path).unlink()
    repository.commit("second")
    return repository


def back(repository: Repository, to: str = "first") -> str | None:
    return put_back(repository.root, git.resolve_commit(repository.root, to), SCOPE, "Roll back\n")


def test_everything_in_scope_is_as_it_was_and_nothing_else(repository: Repository) -> None:
    before = repository.git("rev-parse", "HEAD")
    made = back(repository)
    assert made == repository.git("rev-parse", "main")
    assert (
        repository.git("log", "-1", "--format=%P %an <%ae> %cn %s")
        == f"{before} Grace <grace@example.org> Grace Roll back"
    )
    assert repository.git("diff", "--name-only", "first", "HEAD").split() == ["README", "software/notes.txt"]
    assert repository.git("status", "--porcelain") == ""
    assert (repository.root / "registry.d/removed.yaml").read_text() == "v: 1\n"
    assert not (repository.root / "registry.d/.hidden").exists()
    assert not (repository.root / "software/new.yml").exists()
    assert (repository.root / "software/notes.txt").read_text() == "2\n"


def test_back_to_where_we_are_makes_no_commit(repository: Repository) -> None:
    assert back(repository, "HEAD") is None
    assert back(repository)
    assert back(repository) is None
    assert repository.git("rev-list", "--count", "HEAD") == "3"


def test_there_and_back_again(repository: Repository) -> None:
    second = repository.git("rev-parse", "HEAD")
    back(repository)
    back(repository, second)
    assert repository.git("diff", "--name-only", second, "HEAD") == ""


def test_what_is_staged_or_changed_elsewhere_stays_so(repository: Repository) -> None:
    repository.write("README", "staged\n")
    repository.git("add", "README")
    repository.write("software/notes.txt", "changed\n")
    repository.write("untracked", "")
    before = repository.git("status", "--porcelain")
    assert back(repository)
    assert repository.git("status", "--porcelain") == before
    assert repository.git("show", "HEAD:README") == "2"


@pytest.mark.parametrize("path", ["registry.d/changed.yaml", "registry.d/new.yaml", "software/a.yml", "registry.d/.x"])
def test_what_is_not_committed_is_not_lost(repository: Repository, path: str) -> None:
    repository.write(path, "mine\n")
    head = repository.git("rev-parse", "HEAD")
    with pytest.raises(git.GitError) as caught:
        back(repository)
    assert path in caught.value.diagnostics[0].detail
    assert (repository.root / path).read_text() == "mine\n"
    assert repository.git("rev-parse", "HEAD") == head


def test_without_a_branch_it_is_refused(repository: Repository) -> None:
    repository.git("checkout", "-q", "--detach")
    with pytest.raises(git.GitError, match="No branch"):
        back(repository)


def test_who_is_unknown_changes_nothing(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("[user]\nuseConfigOnly = true\n")
    with pytest.raises(git.GitError) as caught:
        back(repository)
    assert "user.email" in caught.value.words
    assert repository.git("status", "--porcelain") == ""


def test_the_users_identity_comes_from_the_environment_too(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\nuseConfigOnly = true\n")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    assert back(repository)
    assert repository.git("log", "-1", "--format=%an %cn") == "Ada Ada"


def test_a_commit_that_fails_leaves_everything_as_it_was(repository: Repository) -> None:
    (repository.root / ".git/refs/heads/main.lock").touch()
    head = repository.git("rev-parse", "HEAD")
    with pytest.raises(git.GitError):
        back(repository)
    (repository.root / ".git/refs/heads/main.lock").unlink()
    assert (repository.git("rev-parse", "HEAD"), repository.git("status", "--porcelain")) == (head, "")


def test_no_program_of_the_repository_runs(repository: Repository, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for name in (
        "pre-commit",
        "commit-msg",
        "prepare-commit-msg",
        "post-commit",
        "post-checkout",
        "reference-transaction",
    ):
        hook = repository.root / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {ran}\n")
        hook.chmod(0o755)
    for name, value in {
        "filter.evil.smudge": f"echo smudge >> {ran}",
        "filter.evil.clean": f"echo clean >> {ran}",
        "core.fsmonitor": f"echo fsmonitor >> {ran}",
        "commit.gpgsign": "true",
        "gpg.program": f"/bin/sh -c 'echo gpg >> {ran}'",
        "core.editor": f"echo editor >> {ran}",
    }.items():
        repository.git("config", name, value)
    (repository.root / ".git/info/attributes").write_text("*.yaml filter=evil\n")
    assert back(repository)
    assert not ran.exists()


def test_a_registry_below_the_top_of_the_repository(repository: Repository) -> None:
    below = repository.root / "shop"
    repository.write("shop/registry.d/a.yaml", "v: 1\n")
    repository.write("shop/software/a.yml", "v: 1\n")
    first = repository.commit()
    repository.write("shop/registry.d/a.yaml", "v: 2\n")
    repository.write("shop/software/a.yml", "v: 2\n")
    repository.write("registry.d/changed.yaml", "v: 3\n")
    repository.commit()
    repository.write("software/b.yml", "of the other registry\n")
    assert put_back(below, first, SCOPE, "Roll back\n")
    assert (below / "registry.d/a.yaml").read_text() == (below / "software/a.yml").read_text() == "v: 1\n"
    assert (repository.root / "registry.d/changed.yaml").read_text() == "v: 3\n"
