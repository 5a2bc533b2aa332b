"""The recorded state in one SQLite file: SQLite as the store's rules want it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from reconciler.ports import StateError
from reconciler.state import sqlite_file
from reconciler.state.connection import Connection, Damaged, NoSpace, Row
from reconciler.state.lease import LEASE
from reconciler.state.queries import queries
from reconciler.state.reserve import Reserve
from reconciler.state.store import SqlStore


class SqliteStore(SqlStore):
    """Satisfies ports.StateStore for the file `path`, which the first writer makes. Its backups are beside it. `lease`
    is how many seconds a lock outlives its holder's last sign of life."""

    def __init__(self, path: Path, lease: float = LEASE) -> None:
        super().__init__(SqliteConnector(path), path.parent / "backups", lease)


class SqliteConnector:
    """Satisfies connection.Connector."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"))

    @property
    def place(self) -> str:
        return str(self._path)

    def read(self) -> Connection | None:
        if not sqlite_file.exists(self._path):
            return None
        return SqliteConnection(sqlite_file.open_for_reading(self._path))

    def prepare(self) -> None:
        sqlite_file.prepare(self._path)

    def write(self) -> Connection:
        return SqliteConnection(sqlite_file.open_for_writing(self._path))

    @contextmanager
    def words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def reserve(self, size: int) -> None:
        self._reserve.grow(size)

    def free(self) -> bool:
        return self._reserve.free()

    def set_aside(self) -> str:
        return str(sqlite_file.set_aside(self._path))

    def _in_words(self, error: sqlite3.Error) -> StateError:
        number = getattr(error, "sqlite_errorcode", 0)
        code = number & 0xFF
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or str(error).startswith("no such "):
            return Damaged(self.place, str(error))
        if str(error).startswith("Could not decode"):
            return Damaged(self.place, "it holds text that is none")
        if code == sqlite3.SQLITE_FULL:
            return NoSpace(f"The state {self.place} cannot be written: the disk is full.")
        if number == sqlite3.SQLITE_IOERR_WRITE:
            return NoSpace(f"The state {self.place} cannot be written: the disk is full, over its quota, or broken.")
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
            return StateError(f"The state {self.place} cannot be written: it or its folder is read-only ({error}).")
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return StateError(
                f"The state {self.place} is in use by another program, and stayed so for {sqlite_file.BUSY:g} s."
            )
        if code == sqlite3.SQLITE_IOERR:
            return StateError(f"The state {self.place} cannot be used: the disk reports an error ({error}).")
        return StateError(f"The state {self.place} cannot be used: {error}.")


class SqliteConnection:
    """Satisfies connection.Connection."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        raw.create_function("uptime", 0, time.monotonic)
        self._raw = raw
        self._sql = queries("sqlite")

    def execute(self, name: str, parameters: Sequence[Any] = ()) -> int:
        return self._raw.execute(self._sql[name], parameters).rowcount

    def executemany(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        self._raw.executemany(self._sql[name], rows)

    def one(self, name: str, parameters: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self._raw.execute(self._sql[name], parameters).fetchone()
        return row

    def all(self, name: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._raw.execute(self._sql[name], parameters).fetchall()

    def reading(self) -> AbstractContextManager[None]:
        return self._transaction("BEGIN")

    def writing(self) -> AbstractContextManager[None]:
        return self._transaction("BEGIN IMMEDIATE")

    def flaws(self) -> list[str]:
        found = [row[0] for row in self._raw.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        self._raw.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._raw.execute(begin)
        try:
            yield
            self._raw.execute("COMMIT")
        except BaseException:
            if self._raw.in_transaction:  # else SQLite has undone it by itself, as on a full disk
                with suppress(sqlite3.Error):
                    self._raw.execute("ROLLBACK")
            raise
