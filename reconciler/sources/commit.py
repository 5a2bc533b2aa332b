"""Makes commits on the current branch, of some paths and nothing else.

What could be lost or could fail is looked for before anything is changed. No hook and no filter of the repository runs,
and the commit is not signed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from reconciler.sources import git
from reconciler.sources.paths import printable

GIVEN = ("--pathspec-from-file=-", "--pathspec-file-nul")
"""Options by which git reads paths from its input, as `pathspecs` writes them."""

_FILTERS = ("config", "--null", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
_STATUS = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--")
_COMMIT = ("commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=verbatim")
_MOST_NAMED = 3


def edit(root: Path, path: str, data: bytes, message: str) -> str:
    """Puts `data` in the file `path` and commits that. Returns the commit's id. Raises GitError, and then has changed
    nothing: also where the file has changes that are not committed."""
    refuse_detached(root)
    settings = safe_settings(root)
    refuse_changed(root, [path], lambda changed: changed == path, settings)
    refuse_nameless(root)
    before = (root / path).read_bytes()
    _replace(root / path, data)
    try:
        return commit(root, pathspecs([path]), message, settings)
    except git.GitError:
        _replace(root / path, before)
        raise


def commit(root: Path, paths: bytes, message: str, settings: Mapping[str, str]) -> str:
    """Commits `paths`, which `pathspecs` wrote, as they are now. Returns the commit's id. Raises GitError."""
    git.run_git(root, *_COMMIT, f"--message={message}", *GIVEN, settings=settings, data=paths)
    return git.resolve_commit(root, "HEAD")


def pathspecs(paths: Iterable[str]) -> bytes:
    return "".join(f":(literal){path}\0" for path in paths).encode()


def safe_settings(root: Path) -> dict[str, str]:
    """The settings with which git may write to the work tree of `root`."""
    with git.start(root, *_FILTERS) as filters:
        return {**git.without_filters(filters.wait(ok=(0, 1))), "maintenance.auto": "false"}


def refuse_detached(root: Path) -> None:
    """Raises GitError where no branch is checked out."""
    try:
        git.run_git(root, "symbolic-ref", "--quiet", "HEAD")
    except git.GitError:
        hint = "Check one out first: git switch BRANCH"
        raise git.GitError("No branch is checked out to commit on", hint=hint) from None


def refuse_nameless(root: Path) -> None:
    """Raises GitError where git does not know who the user is."""
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        git.run_git(root, "var", who)


def refuse_changed(root: Path, places: Iterable[str], ours: Callable[[str], bool], settings: Mapping[str, str]) -> None:
    """Raises GitError where a path below `places` that is `ours` has changes that are not committed."""
    listing = git.run_git(root, *_STATUS, *(f":(literal){place}" for place in places), settings=settings)
    prefix = git.run_git(root, "rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").removesuffix("\n")
    changed = [line[3:].removeprefix(prefix) for line in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]]
    found = [path for path in changed if ours(path)]
    if found:
        raise git.GitError(
            "There are changes that are not committed",
            f"{_names(found)}.",
            "Commit them, or put them aside with git stash, and try again.",
        )


def _replace(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(unfinished, "xb", opener=lambda name, flags: os.open(name, flags, path.stat().st_mode)) as file:
            file.write(data)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise git.GitError(f"{printable(str(path))} cannot be written", f"{error.strerror}.") from None


def _names(paths: Sequence[str]) -> str:
    named = ", ".join(printable(path) for path in paths[:_MOST_NAMED])
    return f"{named} and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else named
