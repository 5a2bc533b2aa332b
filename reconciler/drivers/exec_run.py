"""Runs a program: what it is told goes to its standard input, and there are limits to how long it takes and how much it
says. When it ends, or has to be ended, everything that it started is killed."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from subprocess import Popen

_STEP = 0.1
_LINGER = 1.0
"""How long output is waited for, in seconds, of a program that has ended but whose children still could write."""
_CHUNK = 64 * 1024


class Program(NamedTuple):
    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


class Ended(NamedTuple):
    """`code` is None for a program that took longer than it may. `output` and `errors` are what it said, of each at
    most one byte more than the limit; at that it was ended."""

    code: int | None
    output: bytes
    errors: bytes


def run(program: Program, told: bytes, seconds: float, most: int) -> Ended:
    """Runs `program` to its end and tells it `told`. Raises OSError where it cannot be started."""
    with started(program) as process:
        talk = _Talk(process, told, most)
        try:
            in_time = talk.until(time.monotonic() + seconds)
        finally:
            talk.close()
        code = process.poll()
    return Ended(code if in_time else None, bytes(talk.output), bytes(talk.errors))


def lines(program: Program, told: bytes, longest: int) -> Iterator[bytes]:
    """What `program` says, line by line, for as long as it is asked. Raises OSError where it cannot be started."""
    from subprocess import DEVNULL

    with started(program, DEVNULL) as process:
        if process.stdin and process.stdout:
            with suppress(BrokenPipeError):  # it does not listen
                process.stdin.write(told)
                process.stdin.close()
            while line := process.stdout.readline(longest):
                yield line


@contextmanager
def started(program: Program, errors: int | None = None) -> Iterator[Popen[bytes]]:
    """`program` as it runs, in a session of its own, with its standard error in `errors`, by default a pipe. Nothing of
    it is left at the end. Raises OSError."""
    from subprocess import PIPE, Popen

    process = Popen(
        program.argv,
        cwd=program.folder,
        env=program.environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE if errors is None else errors,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with suppress(OSError):
                    stream.close()


class _Talk:
    """Writes and reads the streams of a process, none of which may wait for another."""

    def __init__(self, process: Popen[bytes], told: bytes, most: int) -> None:
        self._process = process
        self._told = memoryview(told)
        self._most = most
        self.output = bytearray()
        self.errors = bytearray()
        self._selector = selectors.DefaultSelector()
        self._register(process.stdin, selectors.EVENT_WRITE)
        self._register(process.stdout, selectors.EVENT_READ)
        self._register(process.stderr, selectors.EVENT_READ)

    def _register(self, stream: IO[bytes] | None, event: int) -> None:
        if stream:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, event)

    def close(self) -> None:
        self._selector.close()

    def until(self, deadline: float) -> bool:
        """Goes on until the program has ended and said everything, or has said too much. False where the deadline came
        first."""
        ended = 0.0
        while self._selector.get_map() and self._fits():
            now = time.monotonic()
            if ended and now > ended + _LINGER:
                break
            if not ended and now > deadline:
                return False
            for key, _ in self._selector.select(_STEP):
                self._serve(key.fileobj)  # type: ignore[arg-type]
            ended = ended or (time.monotonic() if self._process.poll() is not None else 0.0)
        return self._wait(deadline)

    def _fits(self) -> bool:
        return max(len(self.output), len(self.errors)) <= self._most

    def _wait(self, deadline: float) -> bool:
        """For the end of a program that has closed its streams, or said too much."""
        from subprocess import TimeoutExpired

        if not self._fits():
            return True
        try:
            self._process.wait(max(deadline - time.monotonic(), 0))
        except TimeoutExpired:
            return False
        return True

    def _serve(self, stream: IO[bytes]) -> None:
        if stream is self._process.stdin:
            self._write(stream)
            return
        heard = self.output if stream is self._process.stdout else self.errors
        data = os.read(stream.fileno(), min(_CHUNK, self._most + 1 - len(heard)))
        heard += data
        if not data:
            self._selector.unregister(stream)

    def _write(self, stream: IO[bytes]) -> None:
        try:
            self._told = self._told[os.write(stream.fileno(), self._told[:_CHUNK]) :]
        except BrokenPipeError:  # it does not listen
            self._told = self._told[:0]
        if not self._told:
            self._selector.unregister(stream)
            stream.close()
