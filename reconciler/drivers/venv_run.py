"""Runs one of the tools: with a deadline, in an environment without secrets, its output in the log, and its complaint
in a sentence."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.drivers.venv_package import Unusable

_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TMPDIR|TZ|XDG_\w+|UV_\w+|PIP_\w+|NETRC|SSL_CERT_\w+|REQUESTS_CA_BUNDLE"
    r"|(HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy"
)
"""What the tools need of the environment; all else could be a secret, and a build runs a stranger's code."""
_QUIET = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "PYTHONUNBUFFERED": "1"}
_TAIL = 64 * 1024
_LONGEST = 500
_CREDENTIALS = re.compile(rb"(://)[^/\s@]*@")
_URL = re.compile(r"(https?|file)://[^\s`'\")]*(?<!:)")
_MARK = re.compile(r"^(\W*)((error|cause|warning|ERROR|WARNING): ?)?")
_NOISE = re.compile(
    r"\W*(Using (CPython|Python) |Creating virtual|Activate with|hint: |Looking in |\[notice\]|Collecting )"
)


class Job(NamedTuple):
    """What every command of one transition shares. `deadline` is a moment of the monotonic clock. `lock` is an open
    descriptor that each command inherits, so that the lock is held for as long as any of them lives, or None."""

    log: Path
    deadline: float
    lock: int | None = None


def run_tool(command: Sequence[str], job: Job) -> None:
    """Runs `command` to its end, and keeps what it says at the end of the log. Raises Unusable with the command's own
    words where it fails or takes too long, and OSError where it cannot be started."""
    # Not through a link: a repository could hold one in the log's place.
    descriptor = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with open(descriptor, "ab") as log:  # noqa: PTH123 - a descriptor has no path
        log.write(f"$ {' '.join(command)}\n".encode())
        log.flush()
        begin = log.tell()
        try:
            code = _wait(command, job, log.fileno())
        finally:
            said = _clean(job.log, begin)
    if code is None:
        raise Unusable("it took longer than it may, and was stopped; the log tells how far it came")
    if code:
        raise Unusable(
            sentence(said, str(job.log.parent)) or f"{Path(command[0]).name} ended with {code} and said nothing"
        )


def sentence(said: str, folder: str) -> str:
    """What a tool complained of, in one line, without the addresses of machines. Of a file below `folder` only the name
    is told."""
    said = re.sub(
        re.escape(folder) + r"/[^\s`]*", lambda match: match[0].rpartition("/")[2], _URL.sub(_unaddressed, said)
    )
    lines = [line for line in said.splitlines() if line.strip() and not _NOISE.match(line)]
    start = next((number for number, line in enumerate(lines) if re.match(r"\W*(error|ERROR):", line)), 0)
    words = ": ".join(_MARK.sub("", line).strip() for line in lines[start:])
    return _shortened(words.replace(".: ", ". "))


def _unaddressed(match: re.Match[str]) -> str:
    return match[0].rpartition("/")[2] if match[1] == "file" else "the package index"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _wait(command: Sequence[str], job: Job, output: int) -> int | None:
    """The exit code of `command`; None where it had to be killed, with all that it started, at the deadline."""
    import subprocess

    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",  # so that no file of the registry is taken for the tool's configuration
        env=_environment(os.environ),
        start_new_session=True,
        pass_fds=() if job.lock is None else (job.lock,),
    )
    try:
        return process.wait(max(job.deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):  # what it left running would hold the lock
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in own.items() if _KEPT.fullmatch(name)} | _QUIET


def _clean(log: Path, begin: int) -> str:
    """The end of what was written to `log` since `begin`. Takes the credentials of an index out of the log."""
    data = log.read_bytes()
    said = _CREDENTIALS.sub(rb"\1", data[begin:])
    if said != data[begin:]:
        log.write_bytes(data[:begin] + said)
    return said[-_TAIL:].decode(errors="replace")
