"""Opens the SQLite file of a state: looks before it touches, and makes it whole or not at all."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from reconciler.ports import StateError
from reconciler.state.connection import Damaged
from reconciler.state.durable import make_folder, sync_folder
from reconciler.state.queries import migrations

APPLICATION_ID = 0x75726567
"""Marks a SQLite file as ours ("ureg")."""

VERSION = 3
"""The number of the newest migration."""

_HEADER = 100
_MAGIC = b"SQLite format 3\0"
_WAL = 2
"""What byte 18 of the header says of a file whose newest part is in a write-ahead log."""

BUSY = 30.0
"""Seconds to wait for another's transaction. None stays open while a driver works; the longest is SQLite's own check
of a large file."""


def exists(path: Path) -> bool:
    """Whether there is a state at `path`. Raises StateError where something else stands there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StateError(f"The state {path} is a symbolic link; ureg follows none here.") from None
        raise
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        header = os.read(descriptor, _HEADER) if regular else b""
    finally:
        os.close(descriptor)
    if not regular:
        raise StateError(f"The state {path} is not a regular file.")
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise Damaged(str(path), "it is not a SQLite file")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise StateError(f"The file {path} belongs to another program; name another file for the state.")
    if header[18] == _WAL and _beside(path, "-shm").exists() and not _beside(path, "-wal").exists():
        raise Damaged(str(path), "its write-ahead log is missing, and the newest writes with it")
    return True


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. (SQLite still has to be able to undo what a crash left half written.)"""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def open_for_writing(path: Path) -> sqlite3.Connection:
    """A connection to a state that is there and up to date."""
    exists(path)
    connection = _connect(path)
    try:
        # Truncating the rollback journal is synced under FULL; deleting it would not be.
        mode = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "TRUNCATE"
        connection.execute(f"PRAGMA journal_mode = {mode}")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path) -> None:
    """Makes the state at `path` where there is none, and brings its layout up to date."""
    if not exists(path):
        _create(path)
        exists(path)
    with closing(_connect(path)) as connection:
        _migrate(connection)


def set_aside(path: Path) -> Path:
    """Moves a damaged state away, with what SQLite keeps beside it: none of that may fall to the next one."""
    target = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for suffix in ("-journal", "-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            _beside(path, suffix).rename(_beside(target, suffix))
    sync_folder(path.parent)
    return target


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the fix for the WAL-reset bug, which can lose commits of several connections."""
    fixed_lines = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}
    return version >= fixed_lines.get((version[0], version[1]), (3, 51, 3))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=BUSY, isolation_level=None, uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        # A transaction that outgrew its cache would lock readers out before its commit.
        connection.execute("PRAGMA cache_spill = OFF")
        connection.execute("PRAGMA synchronous = FULL")
        _check_version(path, connection)
        _check_size(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if version > VERSION:
        raise StateError(f"The state {path} was written by a newer ureg (layout {version}, this one knows {VERSION}).")


def _check_size(path: Path, connection: sqlite3.Connection) -> None:
    """Raises Damaged for a file whose end is missing, where SQLite would read zeros. (With a WAL the newest pages may
    be elsewhere.)"""
    connection.execute("BEGIN")  # nobody else writes meanwhile
    mode, pages, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_count", "page_size")
    )
    if mode != "wal" and path.stat().st_size < pages * size:
        raise Damaged(str(path), "its end is missing")
    connection.execute("COMMIT")


def _create(path: Path) -> None:
    """Makes an empty state under another name first, so that a crash leaves a whole file or none."""
    make_folder(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with closing(_connect(temporary)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            _migrate(connection)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return  # another process was faster
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _migrate(connection: sqlite3.Connection) -> None:
    """Brings the layout up to date, each migration in a transaction of its own."""
    if _version(connection) == VERSION:
        return
    for number, script in migrations("sqlite"):
        with connection:
            connection.execute("BEGIN EXCLUSIVE")
            if _version(connection) < number:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
