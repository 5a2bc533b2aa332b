"""The one place that runs git: fixed, safe arguments, so that no repository can make it run a program or reach out.

New repositories go through GitPython, which gets a local path and nothing else.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Timer
from types import TracebackType
from typing import IO, NamedTuple, cast

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
_KEPT = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CEILING_DIRECTORIES",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
    }
)
"""Of the GIT_ variables around us: those that say where to look and who the user is. GIT_DIR and its like would name
another repository."""

_TIMEOUT = 120.0
_CHUNK = 1 << 16
_COMMIT_ID = re.compile(r"[0-9a-f]{40}")


class GitError(Invalid):
    """git could not do what it was asked; `words` are its own, and may hold what a stranger wrote."""

    def __init__(self, summary: str, words: str = "", hint: str = "") -> None:
        super().__init__(Diagnostic(code="git-failed", summary=summary, detail=words.strip(), hint=hint))
        self.words = words.strip()


class GitMissing(GitError):
    """git cannot be started."""

    def __init__(self, words: str = "") -> None:
        super().__init__("git cannot be run", words, "Install git, or put it on PATH.")


class Late(GitError):
    """git did not end in time, or before it was told to."""


class TooMuch(Exception):
    """git has more to say than is read of it."""


class Process:
    """A git that runs: start several in `with`, then wait for each. Leaving the `with` ends it."""

    def __init__(self, command: str, running: subprocess.Popen[bytes], data: bytes | None) -> None:
        self._command = command
        self._running = running
        self._data = data

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
            output, errors = self._running.communicate(self._data, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise self._late(timeout) from None
        if self._running.returncode not in ok:
            raise self._failed(errors)
        return output

    def listing(self, most: int, timeout: float = _TIMEOUT) -> bytes:
        """Its output, entries that end with NUL. Raises TooMuch once there are more than `most`, without reading on,
        and GitError as `wait` does. For commands that read no input."""
        output, errors = cast("IO[bytes]", self._running.stdout), cast("IO[bytes]", self._running.stderr)
        chunks: list[bytes] = []
        late = Timer(timeout, self._running.kill)
        late.start()
        try:
            while chunk := output.read(_CHUNK):
                chunks.append(chunk)
                most -= chunk.count(b"\0")
                if most < 0:
                    raise TooMuch
            words = errors.read()
            if self._running.wait() and not late.is_alive():
                raise self._late(timeout)
        finally:
            late.cancel()
        if self._running.returncode:
            raise self._failed(words)
        return b"".join(chunks)

    def _late(self, timeout: float) -> GitError:
        return GitError(f"git {self._command} did not end within {timeout:g} s")

    def _failed(self, errors: bytes) -> GitError:
        return GitError(f"git {self._command} failed", errors.decode("utf-8", "backslashreplace"))


def start(root: Path, *args: str, settings: Mapping[str, str] | None = None, data: bytes | None = None) -> Process:
    """Starts `git ARGS` in `root`. `settings` are configuration for this one call, `data` is what it reads from its
    standard input. Raises GitError."""
    options = [part for setting in _SAFE for part in ("-c", setting)]
    try:
        running = subprocess.Popen(
            ["git", *options, *args],
            cwd=root,
            env=_environment(settings or {}),
            stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for this process, which decides what ends.
            process_group=0,
        )
    except FileNotFoundError:
        raise GitMissing from None
    except OSError as error:
        raise GitMissing(str(error)) from None
    return Process(args[0], running, data)


def run_git(
    root: Path,
    *args: str,
    settings: Mapping[str, str] | None = None,
    data: bytes | None = None,
    timeout: float = _TIMEOUT,
) -> bytes:
    """The output of `git ARGS` in `root`, which reads `data`. Raises GitError."""
    with start(root, *args, settings=settings, data=data) as process:
        return process.wait(timeout=timeout)


OUTWARD = {
    "fetch.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "core.bigFileThreshold": "1m",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
"""Settings of each git that takes in what another repository sends."""


class Reach(NamedTuple):
    """How far a git may go that speaks to another repository: the one protocol, how many seconds, and the most bytes
    that any file it writes may have. `environment` and `settings` are for this one call, the latter beside OUTWARD."""

    protocol: str
    timeout: float
    most_bytes: int
    environment: Mapping[str, str]
    settings: Mapping[str, str]


_LIMITED = 'ulimit -f "$1"; ulimit -v "$2"; shift 2; exec "$@"'
_MOST_MEMORY = 4 << 20
"""In KiB, of each process. A few bytes of a pack can unfold to gigabytes."""

_MOST_WORDS = 1 << 16
_SHORTEST_WAIT, _LONGEST_WAIT = 0.001, 0.05
"""Seconds between two looks at a git that runs: short ones find soon what ends soon."""


def reach_out(folder: Path, *args: str, reach: Reach, stop: Event | None = None) -> bytes:
    """The output of a `git ARGS` in `folder` that speaks to another repository, which may be hostile. Whatever it
    started has ended with it. Raises GitError, also once `stop` is set meanwhile."""
    from tempfile import TemporaryFile

    options = [part for setting in _SAFE for part in ("-c", setting)]
    limits = ("/bin/sh", "-c", _LIMITED, "git", str(reach.most_bytes >> 9), str(_MOST_MEMORY))
    # What the other side says goes to files, which the limit holds for, and not through memory.
    with TemporaryFile() as output, TemporaryFile() as errors:
        running = subprocess.Popen(
            [*limits, "git", *options, *args],
            cwd=folder,
            env=_outward(folder, reach),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            code = _ended(running, reach.timeout, stop or Event())
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        if code is None:
            raise Late(f"git {args[0]} did not end within {reach.timeout:g} s")
        if code:
            words = _start_of(errors).decode("utf-8", "backslashreplace")
            raise GitError(f"git {args[0]} failed", words)
        return _start_of(output)


def _ended(running: subprocess.Popen[bytes], timeout: float, stop: Event) -> int | None:
    """The exit code; None where it still runs after `timeout` seconds, or when `stop` is set."""
    begun = time.monotonic()
    while (code := running.poll()) is None:
        passed = time.monotonic() - begun
        if passed >= timeout or stop.wait(min(max(passed / 10, _SHORTEST_WAIT), _LONGEST_WAIT)):
            return None
    return code


def _outward(folder: Path, reach: Reach) -> dict[str, str]:
    return _environment({**OUTWARD, **reach.settings}) | {
        "GIT_ALLOW_PROTOCOL": reach.protocol,
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_ASKPASS": "false",
        # No repository around `folder` has a say.
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        **reach.environment,
    }


def _start_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(_MOST_WORDS)


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
    """Makes `root` a git repository, with the branch `main`. Harmless where it is one. Raises GitError."""
    try:
        import git
    except ImportError:  # raised where it finds no git
        raise GitMissing from None
    try:
        git.Repo.init(root, initial_branch="main").close()
    except (git.GitError, OSError) as error:
        raise GitError("git init failed", str(error)) from None


def resolve_commit(root: Path, text: str) -> str:
    """The full id of the commit that a user means by `text`: an id, a branch, a tag. Raises GitError."""
    found = words = ""
    if not is_repository(root):
        raise GitError("There is no git repository here", hint="Commits are needed for this: `git init` starts them.")
    if "\0" not in text:
        try:
            args = ("--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")
            found = run_git(root, "rev-parse", *args).decode("ascii", "replace").strip()
        except GitMissing:
            raise
        except GitError as error:
            words = error.words
    if not _COMMIT_ID.fullmatch(found):
        raise GitError(f"{text!r} names no commit here", words, "Name a commit by its id, a branch or a tag.")
    return found


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    around = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    extra = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for number, (name, value) in enumerate(settings.items()):
        extra |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return around | _ENVIRONMENT | extra
