"""The one place that runs git: fixed, safe arguments, so that no repository can make it run a program or reach out.

Commits and new repositories go through GitPython, which gets local paths and full commit ids and nothing else.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from reconciler.model.diagnostics import Diagnostic, Invalid

_SAFE = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "safe.bareRepository=explicit",
    "core.untrackedCache=false",
)
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}
_KEPT = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"})
"""Of the GIT_ variables around us: those that say where to look. GIT_DIR and its like would name another repository."""

_TIMEOUT = 120.0
_COMMIT_ID = re.compile(r"[0-9a-f]{40}")


class GitError(Invalid):
    """git could not do what it was asked; `words` are its own, and may hold what a stranger wrote."""

    def __init__(self, summary: str, words: str = "", hint: str = "") -> None:
        super().__init__(Diagnostic(code="git-failed", summary=summary, detail=words.strip(), hint=hint))
        self.words = words.strip()


class Process:
    """A git that runs: start several in `with`, then wait for each. Leaving the `with` ends it."""

    def __init__(self, command: str, running: subprocess.Popen[bytes]) -> None:
        self._command = command
        self._running = running

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._running.poll() is None:
            self._running.kill()
        with self._running:
            pass

    def wait(self, ok: tuple[int, ...] = (0,), timeout: float = _TIMEOUT) -> bytes:
        """Its output. Raises GitError for an exit code that is not in `ok`, and after `timeout` seconds."""
        try:
            output, errors = self._running.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise GitError(f"git {self._command} did not end within {timeout:g} s") from None
        if self._running.returncode not in ok:
            raise GitError(f"git {self._command} failed", errors.decode("utf-8", "backslashreplace"))
        return output


def start(root: Path, *args: str, settings: Mapping[str, str] | None = None) -> Process:
    """Starts `git ARGS` in `root`. `settings` are configuration for this one call. Raises GitError."""
    options = [part for setting in _SAFE for part in ("-c", setting)]
    try:
        running = subprocess.Popen(
            ["git", *options, *args],
            cwd=root,
            env=_environment(settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise GitError("git cannot be run", str(error), "Install git, or put it on PATH.") from None
    return Process(args[0], running)


def run_git(root: Path, *args: str, settings: Mapping[str, str] | None = None, timeout: float = _TIMEOUT) -> bytes:
    """The output of `git ARGS` in `root`. Raises GitError."""
    with start(root, *args, settings=settings) as process:
        return process.wait(timeout=timeout)


def is_repository(root: Path) -> bool:
    """Whether `root` lies inside a git work tree, as far as its folders tell."""
    return any(os.path.lexists(folder / ".git") for folder in (root, *root.parents))


def without_filters(scoped_names: bytes) -> dict[str, str]:
    """The settings that turn off the filter programs which a repository's own configuration names.

    `scoped_names` is what `git config --null --show-scope --name-only --get-regexp '^filter\\.'` prints. The user's
    global filters, such as git-lfs, stay.
    """
    parts = scoped_names.decode("utf-8", "surrogateescape").split("\0")
    own = [name for scope, name in zip(parts[::2], parts[1::2], strict=False) if scope in {"local", "worktree"}]
    return {name: "false" if name.endswith(".required") else "" for name in own}


def init_repository(root: Path) -> None:
    """Makes `root` a git repository. Harmless where it is one. Raises GitError."""
    import git

    try:
        git.Repo.init(root).close()
    except (git.GitError, OSError) as error:
        raise GitError("git init failed", str(error)) from None


class Commit(NamedTuple):
    author: str
    date: datetime
    subject: str


def describe_commit(root: Path, commit: str) -> Commit:
    """Who made `commit` (a full id), when, and its subject line. Reads the object store only. Raises GitError."""
    import git

    if not _COMMIT_ID.fullmatch(commit):
        raise GitError(f"{commit!r} is not a full SHA-1 commit id")
    try:
        with git.Repo(root, search_parent_directories=True) as repository:
            repository.git.update_environment(**_ENVIRONMENT)
            found = git.Commit(repository, bytes.fromhex(commit))
            message = found.message if isinstance(found.message, str) else found.message.decode("utf-8", "replace")
            return Commit(str(found.author.name or ""), found.authored_datetime, message.strip().partition("\n")[0])
    except (git.GitError, ValueError, LookupError, OSError) as error:
        raise GitError(f"commit {commit} cannot be read", str(error)) from None


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    around = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    extra = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for number, (name, value) in enumerate(settings.items()):
        extra |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return around | _ENVIRONMENT | extra
