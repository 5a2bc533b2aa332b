"""Reads regular files below a root and nothing else: it follows no link at any step and waits for no pipe."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

MAX_BYTES = 1 << 20
"""The size from which on a file is not read."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

LINK = "is a symbolic link; ureg reads only regular files inside the repository"


class Refused(Exception):
    """A file that is not read; the text says why, so that "<path> <text>" is a sentence."""


class Content(NamedTuple):
    """What a file holds, and when it last changed (`changed`: nanoseconds since the epoch)."""

    data: bytes
    changed: int


class Reader:
    """An open root. Files of one folder after each other are cheapest: the last folder stays open."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder = self._root
        self._name = ""

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave()
        os.close(self._root)

    def read(self, path: str) -> Content:
        """The file at `path`, which is relative to the root. Raises Refused."""
        folder, slash, name = path.rpartition("/")
        try:
            if folder != self._name or path.startswith("/"):
                self._enter(_parts(folder) if slash else [])
                self._name = folder
            descriptor = os.open(name, _FILE, dir_fd=self._folder)
        except (OSError, ValueError) as error:
            raise Refused(self.obstacle(path) or _reason(error)) from None
        try:
            return _read(descriptor)
        except OSError as error:
            raise Refused(_reason(error)) from None
        finally:
            os.close(descriptor)

    def obstacle(self, path: str) -> str:
        """Why `path` leads out of the root or over a link, "" where it does neither."""
        try:
            names = _parts(path)
        except Refused as refused:
            return str(refused)
        for depth in range(1, len(names) + 1):
            part = "/".join(names[:depth])
            try:
                mode = os.stat(part, dir_fd=self._root, follow_symlinks=False).st_mode
            except (OSError, ValueError):
                return ""
            if stat.S_ISLNK(mode):
                return LINK if part == path else f"lies below {part}, which {LINK}"
        return ""

    def links_to_folder(self, path: str) -> bool:
        """Whether `path` is a symbolic link to a folder."""
        try:
            is_link = stat.S_ISLNK(os.stat(path, dir_fd=self._root, follow_symlinks=False).st_mode)
            return is_link and stat.S_ISDIR(os.stat(path, dir_fd=self._root).st_mode)
        except OSError:
            return False

    def _enter(self, names: list[str]) -> None:
        self._leave()
        descriptor = os.dup(self._root)
        try:
            for name in names:
                parent, descriptor = descriptor, os.open(name, _FOLDER, dir_fd=descriptor)
                os.close(parent)
        except OSError:
            os.close(descriptor)
            raise
        self._folder = descriptor

    def _leave(self) -> None:
        if self._folder != self._root:
            os.close(self._folder)
        self._folder, self._name = self._root, ""


def _parts(path: str) -> list[str]:
    names = path.split("/")
    if any(name in {"", ".", ".."} or "\0" in name for name in names):
        raise Refused("is not a path inside the repository")
    return names


def _read(descriptor: int) -> Content:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is not a regular file")
    if status.st_size > MAX_BYTES:
        raise Refused(f"has {status.st_size:,} bytes; ureg reads files of up to {MAX_BYTES:,} bytes")
    data = os.read(descriptor, status.st_size + 1)
    if len(data) != status.st_size:
        raise Refused("changed while it was being read; run again")
    return Content(data, status.st_ctime_ns)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "is no longer there"
    if isinstance(error, OSError) and error.errno == errno.ENXIO:
        return "is not a regular file"
    return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"
