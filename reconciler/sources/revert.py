"""Puts some paths of a repository back to what they were at a commit, as one new commit on the current branch.

Before anything is changed it is made sure that nothing can be lost and that a commit can be made; where it still
cannot, the paths are put back to HEAD. No hook and no filter of the repository runs, and the commit is not signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.sources import git
from reconciler.sources.commit import (
    GIVEN,
    commit,
    pathspecs,
    refuse_changed,
    refuse_detached,
    refuse_nameless,
    safe_settings,
)
from reconciler.sources.gittree import GitTree
from reconciler.sources.paths import Globs


class Scope(NamedTuple):
    """What is put back: whole `folders` (or files), and the files that match `patterns`. From the registry's root."""

    folders: tuple[str, ...]
    patterns: tuple[str, ...]


def put_back(root: Path, then: str, scope: Scope, message: str) -> str | None:
    """The id of the new commit; None where everything in `scope` is as it was at `then` (a full id) already.

    Raises GitError where no branch is checked out, something in `scope` is not committed, or git does not know who
    the user is.
    """
    head = git.resolve_commit(root, "HEAD")
    refuse_detached(root)
    settings = safe_settings(root)
    globs = Globs(scope.patterns)
    refuse_changed(
        root,
        (*scope.folders, *(folder or "." for folder in globs.roots)),
        lambda path: _within(path, scope.folders) or globs.matches(path) is not None,
        settings,
    )
    before, after = _entries(root, head, scope), _entries(root, then, scope)
    if before == after:
        return None
    refuse_nameless(root)
    paths = pathspecs(sorted(before | after))
    try:
        _restore(root, then, paths, settings)
        return commit(root, paths, message, settings)
    except git.GitError:
        with suppress(git.GitError):
            _restore(root, head, paths, settings)
        raise


def _restore(root: Path, commit: str, paths: bytes, settings: Mapping[str, str]) -> None:
    options = ("--quiet", f"--source={commit}", "--staged", "--worktree")
    git.run_git(root, "restore", *options, *GIVEN, settings=settings, data=paths)


def _entries(root: Path, commit: str, scope: Scope) -> dict[str, str]:
    """The content ids of what `scope` has in `commit`, by path."""
    literal = [f":(literal){folder}" for folder in scope.folders]
    listing = git.run_git(root, "ls-tree", "-z", commit, "--", *literal).decode("utf-8", "surrogateescape")
    lines = [line.partition("\t") for line in listing.split("\0")[:-1]]
    files = GitTree(root, commit).snapshot(scope.patterns).files if scope.patterns else ()
    return {path: head for head, _, path in lines} | dict(files)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
