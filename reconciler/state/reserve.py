"""Disk space that is set aside in a file, to be given back when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path


class Reserve:
    """A file of no meaning at `path`. What a crash left of it is taken over by the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0

    def grow(self, size: int) -> None:
        """Sets at least `size` bytes aside. Raises OSError where there is no room, and then holds what it held."""
        if size <= self._size:
            return
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            os.ftruncate(descriptor, self._size)
            raise
        finally:
            os.close(descriptor)
        self._size = size

    def free(self) -> bool:
        """Gives the space back; tells whether there was any."""
        if not self._size:
            return False
        self._path.unlink(missing_ok=True)
        self._size = 0
        return True
