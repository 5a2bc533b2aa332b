"""Reads log files that supervisord writes and rotates (`x.log`, then `x.log.1`, ...): their latest lines, and what is
written from now on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple

_LONGEST_TAIL = 1024 * 1024
_PAUSE = 0.2


class LogFile(NamedTuple):
    """A log file, and what to put before each of its lines."""

    path: Path
    label: str = ""


def written(path: Path) -> int:
    """How many bytes there are; 0 where there is no file."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def last_lines(file: LogFile, most: int, since: int = 0) -> list[str]:
    """The latest lines, oldest first, at most `most`; none of those within the first `since` bytes of a file that was
    not rotated meanwhile."""
    if since and written(file.path) >= since:
        return _label(file, _tail(file.path, most, since))
    lines: list[str] = []
    for number in count():
        path = file.path.with_name(f"{file.path.name}.{number}") if number else file.path
        if len(lines) >= most or not path.exists():
            return _label(file, lines)
        lines = _tail(path, most - len(lines)) + lines
    return lines


def follow_logs(files: Callable[[], Sequence[LogFile]]) -> Iterator[str]:
    """Each line as it is written, from now on and for ever. `files` is asked again and again: more may come."""
    readers = {file.path: _Reader(file, from_end=True) for file in files()}
    try:
        while True:
            for file in files():
                reader = readers.setdefault(file.path, _Reader(file, from_end=False))
                yield from reader.lines()
            time.sleep(_PAUSE)
    finally:
        for reader in readers.values():
            reader.close()


class _Reader:
    """Reads one log file on and on, across its rotations."""

    def __init__(self, file: LogFile, *, from_end: bool) -> None:
        self._file = file
        self._handle: IO[bytes] | None = None
        self._rest = b""
        if from_end and (handle := self._open()):
            handle.seek(0, os.SEEK_END)

    def lines(self) -> list[str]:
        """The whole lines since the last call."""
        found: list[str] = []
        while self._handle or self._open():
            found += self._read()
            if not self._is_rotated():
                break
            self.close()
        return _label(self._file, found)

    def close(self) -> None:
        if self._handle:
            self._handle.close()
            self._handle = None

    def _open(self) -> IO[bytes] | None:
        with suppress(OSError):
            self._handle = self._file.path.open("rb")
        return self._handle

    def _read(self) -> list[str]:
        if self._handle is None:
            return []
        if os.fstat(self._handle.fileno()).st_size < self._handle.tell():  # emptied in place
            self._handle.seek(0)
        *lines, self._rest = (self._rest + self._handle.read()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def _is_rotated(self) -> bool:
        if self._handle is None:
            return False
        with suppress(OSError):
            return not os.path.samestat(self._file.path.stat(), os.fstat(self._handle.fileno()))
        return False


def _tail(path: Path, most: int, since: int = 0) -> list[str]:
    try:
        with path.open("rb") as file:
            begin = max(since, file.seek(0, os.SEEK_END) - _LONGEST_TAIL)
            file.seek(begin)
            lines = file.read(_LONGEST_TAIL).split(b"\n")
    except OSError:
        return []
    whole = lines if lines[-1] else lines[:-1]
    if begin > since:  # the first one lacks its beginning
        whole = whole[1:]
    return [line.decode(errors="replace") for line in whole[max(0, len(whole) - most) :]]


def _label(file: LogFile, lines: Sequence[str]) -> list[str]:
    return [file.label + line for line in lines]
