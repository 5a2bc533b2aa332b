"""Opens the SQLite file of a state: looks before it touches, makes it whole or not at all, and puts errors in words."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from reconciler.ports import StateError
from reconciler.state.queries import migrations

APPLICATION_ID = 0x75726567
"""Marks a SQLite file as ours ("ureg")."""

VERSION = 1
"""The number of the newest migration."""

_HEADER = 100
_MAGIC = b"SQLite format 3\0"
_BUSY = 5.0
"""Seconds to wait for another's short transaction. No transaction here stays open while a driver works."""

DAMAGED = "is damaged; put a backup in its place, or move it away to start with an empty state"


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
        raise StateError(f"The state {path} {DAMAGED}: it is not a SQLite file.")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise StateError(f"The file {path} belongs to another program; name another file for the state.")
    return True


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. (SQLite still has to be able to undo what a crash left half written.)"""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def open_for_writing(path: Path) -> sqlite3.Connection:
    """A connection to the state at `path`, which is made where there is none."""
    if not exists(path):
        _create(path)
        exists(path)
    connection = _connect(path)
    try:
        _set_journal(connection)
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def check_size(path: Path, connection: sqlite3.Connection) -> None:
    """Raises StateError for a file whose end is missing, where SQLite would read zeros. To be called in a transaction,
    so that no one writes meanwhile. (With a WAL the newest pages may be elsewhere.)"""
    mode, pages, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_count", "page_size")
    )
    if mode != "wal" and path.stat().st_size < pages * size:
        raise StateError(f"The state {path} {DAMAGED}: its end is missing.")


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turns what SQLite and the system say into a StateError that a user can act on."""
    try:
        yield
    except sqlite3.Error as error:
        raise StateError(_sentence(path, error)) from error
    except UnicodeError as error:
        raise StateError(f"The state {path} cannot hold this text: {error}.") from error
    except OSError as error:
        raise StateError(f"The state {path} cannot be used: {error.strerror}.") from error


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the fix for the WAL-reset bug, which can lose commits of several connections."""
    fixed_lines = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}
    return version >= fixed_lines.get((version[0], version[1]), (3, 51, 3))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=_BUSY, isolation_level=None, uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        # A transaction that outgrew its cache would lock readers out before its commit.
        connection.execute("PRAGMA cache_spill = OFF")
        connection.execute("PRAGMA synchronous = FULL")
        version = _version(connection)
    except BaseException:
        connection.close()
        raise
    if version > VERSION:
        connection.close()
        raise StateError(f"The state {path} was written by a newer ureg (layout {version}, this one knows {VERSION}).")
    return connection


def _create(path: Path) -> None:
    """Makes an empty state under another name first, so that a crash leaves a whole file or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_journal(connection: sqlite3.Connection) -> None:
    """Truncating the rollback journal is synced under FULL; deleting it would not be."""
    mode = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "TRUNCATE"
    connection.execute(f"PRAGMA journal_mode = {mode}")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _migrate(connection: sqlite3.Connection) -> None:
    """Brings the layout up to date, each migration in a transaction of its own."""
    if _version(connection) == VERSION:
        return
    for number, script in migrations():
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


def _sentence(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return f"The state {path} {DAMAGED}: {error}."
    if code == sqlite3.SQLITE_FULL:
        return f"The state {path} cannot be written: the disk is full."
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return f"The state {path} cannot be written: it or its folder is read-only ({error})."
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"The state {path} is in use by another program, and stayed so for {_BUSY:g} s."
    if code == sqlite3.SQLITE_IOERR:
        return f"The state {path} cannot be used: the disk reports an error ({error})."
    return f"The state {path} cannot be used: {error}."
