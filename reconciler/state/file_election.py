"""Keeps a second daemon away from a state in a file: a lock on a file beside it, which ends with its process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.ports import StateError
from reconciler.state.durable import make_folder

_LONGEST = 500
"""Bytes of what the file says about the daemon."""


class FileElection:
    """Satisfies daemon.leader.Election for the state in the file `state`: whoever is first leads until it ends."""

    lease = float("inf")
    term = 0

    def __init__(self, state: Path, who: str) -> None:
        self._path = state.with_name(f"{state.name}.daemon")
        self._who = who
        self._descriptor = -1

    def stand(self) -> str:
        """Raises Invalid where another daemon is there: it would be in vain to wait for it."""
        if self._descriptor < 0:
            self._descriptor = self._lock()
        return ""

    def resign(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _lock(self) -> int:
        try:
            make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"The file {self._path} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{self._who} (process {os.getpid()})".encode()[:_LONGEST], 0)
        except BlockingIOError:
            raise self._refused(descriptor) from None
        except OSError as error:
            os.close(descriptor)
            raise StateError(f"The file {self._path} cannot be used: {error.strerror}.") from error
        return descriptor

    def _refused(self, descriptor: int) -> Invalid:
        holder = ""
        with suppress(OSError):
            holder = os.pread(descriptor, _LONGEST, 0).decode(errors="replace")
        os.close(descriptor)
        return Invalid(
            Diagnostic(
                "daemon-second",
                "Another daemon keeps this registry already",
                f"It is {holder or 'starting just now'}. A state in a file has one daemon.",
                "End that one first. For several, of which one leads, keep the state in PostgreSQL.",
            )
        )
