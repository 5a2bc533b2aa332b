"""Reads, writes and removes files below one folder: whole or not at all, on disk when done, and never through a
symbolic link, whatever the path says."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

# O_PATH needs no right to list the folders on the way.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for its writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
OWN_PREFIX = ".ureg-"
"""How the names of the drivers' own files start; no path of a user's may hold such a name."""


class Refused(OSError):
    """A path that leads out of the folder, or to something that is not a regular file. The text tells why, and leaves
    the path to whoever shows it."""


class File(NamedTuple):
    data: bytes
    mode: int
    """The permission bits."""


def explain(error: OSError) -> str:
    """Why, in words."""
    return error.strerror or str(error)


class Folder:
    """An open folder. Paths are relative to it, with `/` between names."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        """None where the folder is not there and was not to be created: nothing is in it."""

    def names(self) -> list[str]:
        """The names of what is in it, sorted."""
        if self._descriptor is None:
            return []
        descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            with os.scandir(descriptor) as entries:
                return sorted(entry.name for entry in entries)
        finally:
            os.close(descriptor)

    def read(self, path: str, limit: int | None = None) -> File | None:
        """The file at `path`, None where nothing is. Raises Refused, also where it has more than `limit` bytes, and
        OSError where it cannot be read."""
        *folders, name = _split(path)
        try:
            with self._enter(folders) as folder:
                return _read(folder, name, limit)
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes, mode: int) -> None:
        """Makes `path` a file with these bytes and permission bits, and the folders on its way. A reader sees the
        old file or the new one. What stood there is replaced, unless it is a folder. Raises OSError."""
        *folders, name = _split(path)
        with self._enter(folders, create=True) as folder:
            _replace(folder, name, data, mode)

    def remove(self, path: str) -> None:
        """Removes `path` where it is there, and the folders that this leaves empty. Raises OSError."""
        *folders, name = _split(path)
        with suppress(FileNotFoundError), self._enter(folders) as folder:
            for each in (name, _temporary(name)):
                with suppress(FileNotFoundError):
                    os.unlink(each, dir_fd=folder)
            _sync(folder)
        self._prune(folders)

    def _prune(self, folders: Sequence[str]) -> None:
        for depth in reversed(range(len(folders))):
            # A folder that is not empty stays, and so do those that it is in.
            with suppress(OSError), self._enter(folders[:depth]) as parent:
                os.rmdir(folders[depth], dir_fd=parent)

    @contextmanager
    def _enter(self, folders: Sequence[str], *, create: bool = False) -> Iterator[int]:
        if self._descriptor is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        descriptor = _descend(os.dup(self._descriptor), folders, create)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def open_folder(place: Path, *, create: bool = False) -> Iterator[Folder]:
    """The folder at the absolute path `place`, created on request. No name on the way may be a symbolic link, else
    Refused is raised: a repository could hold one in the output folder's place."""
    descriptor = None
    with suppress(FileNotFoundError):
        descriptor = _descend(os.open(place.anchor, _FOLDER), place.parts[1:], create)
    try:
        yield Folder(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _split(path: str) -> list[str]:
    names = path.split("/")
    if any(name in ("", ".", "..") or not name.isprintable() for name in names):
        raise Refused("not a path below this folder")
    return names


def _descend(descriptor: int, names: Sequence[str], create: bool) -> int:
    """A descriptor of the folder that `names` lead to; closes the one it starts from."""
    for name in names:
        try:
            child = _open_child(descriptor, name, create)
        finally:
            os.close(descriptor)
        descriptor = child
    return descriptor


def _open_child(folder: int, name: str, create: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused(f"{name!r} on the way is a symbolic link or not a folder") from error
        raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=folder)
        _sync(folder)
    return _open_child(folder, name, create=False)


def _read(folder: int, name: str, limit: int | None) -> File:
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Refused("a symbolic link or a socket stands there") from error
        raise
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not a regular file")
        if limit is not None and status.st_size > limit:
            raise Refused(f"larger than {limit // 1024} KiB")
        return File(file.readall(), stat.S_IMODE(status.st_mode))


def _replace(folder: int, name: str, data: bytes, mode: int) -> None:
    temporary = _temporary(name)
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)  # left by a crash
    try:
        descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=folder)
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    _sync(folder)


def _sync(folder: int) -> None:
    """Puts the names in `folder` on disk."""
    descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(name: str) -> str:
    """Where `name` is prepared. The name is made from it, so that what a crash left is found and replaced."""
    return f"{OWN_PREFIX}{blake2b(name.encode(), digest_size=8).hexdigest()}.tmp"
