"""The lock of a SQLite state: one row that names the holder.

The row is taken and given back in short transactions, so that while a run holds the lock for minutes nobody else waits
for the database. It is no lease: a holder keeps it for as long as its process lives. When that process is provably
gone (it was on this machine, and its number is free or belongs to a process that started later) the next one takes
the lock over and says so in the journal. A lock alone does not stop a holder that slept through such a change, so the
writer checks in each transaction that the row is still its own.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from reconciler.ports import Locked, LockInfo
from reconciler.state.queries import queries

_POLL = 0.05
"""Seconds between two looks at a lock that someone else holds."""


def holder(connection: sqlite3.Connection) -> LockInfo | None:
    """Who holds the lock."""
    row = connection.execute(queries()["load_lock"]).fetchone()
    return LockInfo._make(row[:5]) if row else None


def acquire(connection: sqlite3.Connection, lock: LockInfo, timeout: float) -> None:
    """Takes the lock for `lock`, waiting at most `timeout` seconds; the database's clock says since when. Raises
    Locked."""
    deadline = time.monotonic() + timeout
    while other := _try(connection, lock):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Locked(other)
        time.sleep(min(_POLL, left))


def release(connection: sqlite3.Connection, lock: LockInfo) -> None:
    """Gives the lock back, if it is still held for `lock`."""
    connection.execute(queries()["release_lock"], (lock.id,))


def process_start(pid: int) -> str:
    """When the process `pid` started, in the kernel's own count; "ended" for one that only waits to be collected, ""
    where the system does not tell."""
    with suppress(OSError, IndexError):
        # The second field is the program's name in brackets and may hold anything, brackets too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "ended" if fields[0] in {"Z", "X"} else fields[19]
    return ""


def _try(connection: sqlite3.Connection, lock: LockInfo) -> LockInfo | None:
    """Takes the lock, or tells who has it."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        row = connection.execute(queries()["load_lock"]).fetchone()
        other = LockInfo._make(row[:5]) if row else None
        if other and not _is_gone(other, row[5]):
            return other
        now = connection.execute(queries()["clock"]).fetchone()[0]
        if other:
            text = f"took the lock of {other.who} (process {other.pid}, {other.operation}, since {other.created})"
            serial = connection.execute(queries()["load_meta"]).fetchone()[1]
            connection.execute(queries()["append_event"], ("", now, "", "takeover", "", text, serial))
        taken = (lock.id, lock.operation, lock.who, lock.pid, process_start(lock.pid), now)
        connection.execute(queries()["take_lock"], taken)
    return None


def _is_gone(other: LockInfo, started: str) -> bool:
    """Whether the holder's process is provably gone."""
    if other.who.rpartition("@")[2] != os.uname().nodename:
        return False
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, TypeError):
        pass  # not ours to signal, or no number of a process
    now = process_start(other.pid)
    return bool(started and now) and started != now
