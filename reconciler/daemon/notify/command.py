"""Hands a notice to a program, as a CloudEvent on its standard input: for a commit status, a pager, a ticket."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from reconciler.daemon.notify.content import cloudevent
from reconciler.daemon.notify.letter import Letter, Send, Undelivered

_MOST_SAID = 300


def command(argv: Sequence[str], folder: Path, timeout: float) -> Send:
    """Runs `argv` in `folder`, without a shell; its exit code 0 means that the notice was taken. After `timeout`
    seconds it is killed, with all that it started."""

    def send(letter: Letter) -> None:
        with TemporaryFile() as said:
            code = _run(argv, folder, timeout, cloudevent(letter), said)
            if code:
                raise Undelivered(f"{argv[0]} ended with {code}{_last_line(said)}", again=True)

    return send


def _run(argv: Sequence[str], folder: Path, timeout: float, body: bytes, said: IO[bytes]) -> int:
    try:
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise Undelivered(f"{argv[0]} cannot be run: {error}", again=False) from error
    with process:
        try:
            process.communicate(body, timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Undelivered(f"{argv[0]} did not end within {timeout:g} s", again=True) from None
    return process.returncode


def _last_line(said: IO[bytes]) -> str:
    said.seek(max(said.seek(0, os.SEEK_END) - _MOST_SAID, 0))
    lines = said.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last}" if last else ""
