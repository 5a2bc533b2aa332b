"""A branch whose tip is asked for again and again: one of this repository, or one of another that is mirrored here.

The mirror is a repository without a checkout. Whatever the other side does, what was fetched before stays: a branch
that is force-pushed, deleted or broken over there takes no commit from us.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGXFSZ
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import quote

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.sources import git

PROTOCOLS = ("https", "ssh", "file")
"""Those that may be spoken where the settings name none."""

_URL = re.compile(
    r"(?P<protocol>https?|ssh)://(?:[A-Za-z_][A-Za-z0-9_.-]*@)?"
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/[A-Za-z0-9_~][A-Za-z0-9._~+%/-]*"
)
_SCP = re.compile(
    r"(?P<host>(?:[A-Za-z_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]+):(?P<path>[A-Za-z0-9_~][A-Za-z0-9._~/-]*)"
)
_BRANCH = re.compile(
    r"(?!.*(?:\.\.|@\{|//|/\.|\.lock(?:/|$)))[^\s:*?\[\\^~/.\x00-\x1f\x7f-][^\s:*?\[\\^~\x00-\x1f\x7f]*(?<![/.])"
)
_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TIP = "refs/ureg/tip"
_COMMIT = re.compile(r"[0-9a-f]{40}")
# The log of the refs is what keeps commits that were force-pushed away.
_SETTINGS = {"core.logAllRefUpdates": "always"}
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--update-shallow")
_LOOSE_OBJECTS = 2000
_GRACE = 60.0
"""Seconds beyond the time limit after which nobody is still at work on a file."""


class Remote(NamedTuple):
    """Another repository: `name` is what people call it. `timeout` (seconds) and `most_bytes` hold for one fetch."""

    name: str
    url: str
    protocol: str
    timeout: float
    most_bytes: int


class Branch:
    """A branch of the repository in which `root` lies."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = _checked(name)
        self.title = name

    def tip(self, stop: Event) -> str:
        """The id of its newest commit. Raises GitError, which says what is wrong."""
        try:
            return _commit_at(self.root, f"refs/heads/{self.name}")
        except git.GitError:
            raise git.GitError(f"There is no branch {self.name} here, or it has no commit yet") from None

    def rewritten(self, old: str, new: str) -> str:
        """What was done to the branch if the commit `new` does not build on `old`; "" where it does."""
        try:
            if not git.run_git(self.root, "rev-list", "--max-count=1", "--end-of-options", old, f"^{new}"):
                return ""
            git.run_git(self.root, "merge-base", "--end-of-options", old, new)
        except git.GitError:
            return "was replaced by another history"
        return "was force-pushed"

    def tidy(self) -> None:
        """Packs what fetching has left. Seldom does anything."""


class MirroredBranch(Branch):
    """A branch of `remote`, mirrored in `folder`; the registry is its folder `prefix`."""

    def __init__(self, folder: Path, prefix: str, remote: Remote, name: str) -> None:
        super().__init__(folder / prefix, name)
        self._folder = folder
        self._remote = remote
        self.title = f"{name} of {remote.name}"

    def tip(self, stop: Event) -> str:
        """The id of its newest commit, which is fetched. Raises GitError, also once `stop` is set."""
        try:
            self._make()
            self._ask(stop, *_FETCH, "--force", "--", self._remote.url, f"+refs/heads/{self.name}:{_TIP}")
            return _commit_at(self._folder, _TIP)
        except git.Late:
            self._sweep()
            raise git.GitError(f"{self._remote.name} did not answer within {self._remote.timeout:g} s") from None
        except git.GitError as error:
            self._sweep()
            raise self._explained(error, stop) from None
        except OSError as error:
            raise git.GitError(f"The mirror {self._folder} cannot be written", str(error)) from None

    def tidy(self) -> None:
        with suppress(git.GitError):
            git.run_git(
                self._folder,
                "gc",
                "--auto",
                "--quiet",
                settings=git.OUTWARD | _SETTINGS | {"gc.auto": str(_LOOSE_OBJECTS), "gc.autoDetach": "false"},
            )

    def _make(self) -> None:
        if not (self._folder / ".git" / "HEAD").is_file():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            git.run_git(self._folder, "init", "--quiet", "--template=", settings={"init.defaultBranch": "unused"})
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _ask(self, stop: Event, *args: str) -> bytes:
        remote = self._remote
        environment = {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes", "GIT_SSH_VARIANT": "ssh"}
        reach = git.Reach(remote.protocol, remote.timeout, remote.most_bytes, environment, _SETTINGS)
        return git.reach_out(self._folder, *args, reach=reach, stop=stop)

    def _explained(self, error: git.GitError, stop: Event) -> git.GitError:
        """What is wrong, in words: the way there, the repository, or the branch."""
        name = self._remote.name
        try:
            listed = self._ask(stop, "ls-remote", "--quiet", "--heads", "--", self._remote.url)
        except git.GitError as unreachable:
            return git.GitError(f"{name} cannot be reached", _telling(unreachable.words))
        heads = {line.rpartition("\t")[2] for line in listed.decode("utf-8", "replace").splitlines()}
        if not heads:
            return git.GitError(f"{name} is empty: it has no branch at all")
        if f"refs/heads/{self.name}" not in heads:
            return git.GitError(f"{name} has no branch {self.name}: it was deleted or renamed")
        return git.GitError(*self._half_broken(error.words))

    def _half_broken(self, words: str) -> tuple[str, str]:
        if f"signal {SIGXFSZ:d}" in words:
            most = self._remote.most_bytes >> 20
            return f"{self.title} brings more than {most} MiB at once", "raise watch.fetch.maxMebibytes"
        return f"{self.title} cannot be fetched", _telling(words)

    def _sweep(self) -> None:
        """Takes away what a git that was killed left behind: locks, and halves of packs."""
        before = time.time() - self._remote.timeout - _GRACE
        for left in self._leftovers():
            with suppress(OSError):
                if left.stat().st_mtime < before:
                    left.unlink()

    def _leftovers(self) -> Iterator[Path]:
        repository = self._folder / ".git"
        yield from repository.glob("*.lock")
        yield from (repository / "refs").rglob("*.lock")
        yield from (repository / "objects" / "pack").glob("tmp_*")


def open_remote(root: Path, place: str, options: Mapping[str, Any]) -> Remote:
    """The repository that a user means by `place`: the name of a remote of the repository at `root`, a url, or a
    folder. `options` are the settings `watch.fetch`, durations in seconds. Raises Invalid for what is not allowed."""
    named = _REMOTE.fullmatch(place) and git.is_repository(root) and _configured(root, place)
    url, protocol = _address(root, named or place)
    allowed = options.get("protocols", PROTOCOLS)
    if protocol not in allowed:
        raise _refused(
            f"{place} would be reached by the protocol {protocol}, which is not allowed",
            f"The setting watch.fetch.protocols allows: {', '.join(allowed) or 'none'}.",
        )
    return Remote(place, url, protocol, options.get("timeout", 60.0), options.get("maxMebibytes", 256) << 20)


def prefix_of(root: Path) -> str:
    """Where in its repository the folder `root` is, "" for the top or where there is no repository."""
    if not git.is_repository(root):
        return ""
    return git.run_git(root, "rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").rstrip("\n")


def _configured(root: Path, name: str) -> str:
    """The url of the remote `name`, "" where there is none."""
    try:
        found = git.run_git(root, "config", "--null", "--get", f"remote.{name}.url")
    except git.GitError:
        return ""
    return found.decode("utf-8", "surrogateescape").rstrip("\0")


def _address(root: Path, place: str) -> tuple[str, str]:
    """The url of `place`, and its protocol."""
    if url := _URL.fullmatch(place):
        return place, url["protocol"]
    if scp := _SCP.fullmatch(place):
        return f"ssh://{scp['host']}/{scp['path']}", "ssh"
    folder = root / place.removeprefix("file://")
    if place and "\0" not in place and folder.is_dir():
        return f"file://{quote(str(folder.resolve()))}", "file"
    raise _refused(
        "The remote is no name of a remote here, no folder, and no plain url of https or ssh",
        "A url holds no password: it would be seen by whoever lists processes or reads settings.",
        "Keep passwords in git's credential helper, or use ssh with an agent or a key.",
    )


def _checked(name: str) -> str:
    if not _BRANCH.fullmatch(name):
        raise _refused(f"{name!r} is no name of a branch", hint="Name it without `refs/heads/`, such as `main`.")
    return name


def _commit_at(root: Path, ref: str) -> str:
    found = git.run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    commit = found.decode("ascii", "replace").strip()
    if not _COMMIT.fullmatch(commit):
        raise git.GitError("The repository does not name its commits by SHA-1")
    return commit


def _telling(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    return telling[0].removeprefix("fatal: ").removeprefix("error: ")[:300] if telling else ""


def _refused(summary: str, detail: str = "", hint: str = "") -> Invalid:
    return Invalid(Diagnostic("remote-refused", summary, detail, hint))
