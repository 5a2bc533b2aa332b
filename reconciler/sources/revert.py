"""Puts some paths of a repository back to what they were at a commit, as one new commit on the current branch.

Before anything is changed it is made sure that nothing can be lost and that a commit can be made; where it still
cannot, the paths are put back to HEAD. No hook and no filter of the repository runs, and the commit is not signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.sources import git
from reconciler.sources.gittree import GitTree
from reconciler.sources.paths import Globs, printable

_FILTERS = ("config", "--null", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
_STATUS = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--")
_GIVEN = ("--pathspec-from-file=-", "--pathspec-file-nul")
_MOST_NAMED = 3


class Scope(NamedTuple):
    """What is put back: whole `folders` (or files), and the files that match `patterns`. From the registry's root."""

    folders: tuple[str, ...]
    patterns: tuple[str, ...]


def put_back(root: Path, commit: str, scope: Scope, message: str) -> str | None:
    """The id of the new commit; None where everything in `scope` is as it was at `commit` (a full id) already.

    Raises GitError where no branch is checked out, something in `scope` is not committed, or git does not know who
    the user is.
    """
    head = git.resolve_commit(root, "HEAD")
    _refuse_detached(root)
    settings = _settings(root)
    _refuse_uncommitted(root, scope, settings)
    before, after = _entries(root, head, scope), _entries(root, commit, scope)
    if before == after:
        return None
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        git.run_git(root, "var", who)
    paths = "".join(f":(literal){path}\0" for path in sorted(before | after)).encode()
    try:
        _restore(root, commit, paths, settings)
        options = ("--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=verbatim", f"--message={message}")
        git.run_git(root, "commit", *options, *_GIVEN, settings=settings, data=paths)
    except git.GitError:
        with suppress(git.GitError):
            _restore(root, head, paths, settings)
        raise
    return git.resolve_commit(root, "HEAD")


def _restore(root: Path, commit: str, paths: bytes, settings: Mapping[str, str]) -> None:
    options = ("--quiet", f"--source={commit}", "--staged", "--worktree")
    git.run_git(root, "restore", *options, *_GIVEN, settings=settings, data=paths)


def _entries(root: Path, commit: str, scope: Scope) -> dict[str, str]:
    """The content ids of what `scope` has in `commit`, by path."""
    literal = [f":(literal){folder}" for folder in scope.folders]
    listing = git.run_git(root, "ls-tree", "-z", commit, "--", *literal).decode("utf-8", "surrogateescape")
    lines = [line.partition("\t") for line in listing.split("\0")[:-1]]
    files = GitTree(root, commit).snapshot(scope.patterns).files if scope.patterns else ()
    return {path: head for head, _, path in lines} | dict(files)


def _settings(root: Path) -> dict[str, str]:
    with git.start(root, *_FILTERS) as filters:
        return {**git.without_filters(filters.wait(ok=(0, 1))), "maintenance.auto": "false"}


def _refuse_detached(root: Path) -> None:
    try:
        git.run_git(root, "symbolic-ref", "--quiet", "HEAD")
    except git.GitError:
        hint = "Check one out first: git switch BRANCH"
        raise git.GitError("No branch is checked out to commit the rollback on", hint=hint) from None


def _refuse_uncommitted(root: Path, scope: Scope, settings: Mapping[str, str]) -> None:
    globs = Globs(scope.patterns)
    places = (*scope.folders, *(folder or "." for folder in globs.roots))
    listing = git.run_git(root, *_STATUS, *(f":(literal){place}" for place in places), settings=settings)
    prefix = git.run_git(root, "rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").removesuffix("\n")
    changed = [line[3:].removeprefix(prefix) for line in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]]
    ours = [path for path in changed if _within(path, scope.folders) or globs.matches(path)]
    if ours:
        raise git.GitError(
            "There are changes that are not committed",
            f"{_names(ours)}.",
            "Commit them, or put them aside with git stash, and roll back then.",
        )


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _names(paths: Sequence[str]) -> str:
    named = ", ".join(printable(path) for path in paths[:_MOST_NAMED])
    return f"{named} and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else named
