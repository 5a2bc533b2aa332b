"""The recorded state in one SQLite file: records, runs, intents, and the journal of events.

Every write is one transaction that first checks the state's lineage and serial, and that the lock is still held; one
that changes records moves the serial on by one. It is on the disk when the call returns. Each call opens its own
connection, so nothing stays open and nothing is shared between threads.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.record import Record, RecordedState, Status
from reconciler.ports import LockInfo, Run, StateError, Write
from reconciler.state import database
from reconciler.state.lock import acquire, holder, release
from reconciler.state.queries import queries

_STATUSES = {status.value: status for status in Status}


class PastRun(NamedTuple):
    """A run with its times (RFC 3339, in UTC); `finished` and `outcome` are "" for one that has not ended."""

    run: Run
    started: str
    finished: str
    outcome: str


class PastEvent(NamedTuple):
    """What happened to a component: the state it was left in, and the error, "" where there was none."""

    time: str
    run: str
    verb: str
    state: str
    text: str
    serial: int


class SqliteStore:
    """Satisfies ports.StateStore for the file `path`, which the first writer makes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> RecordedState:
        with self._reading() as connection:
            if connection is None:
                return RecordedState("", 0, {})
            connection.execute("BEGIN")
            lineage, serial = _meta(self._path, connection)
            database.check_size(self._path, connection)
            rows = connection.execute(queries()["load_records"])
            return RecordedState(lineage, serial, _records(rows.fetchall()))

    @contextmanager
    def write(self, lock: LockInfo | None, timeout: float) -> Iterator[SqliteWriter]:
        with database.in_words(self._path):
            connection = database.open_for_writing(self._path)
        with closing(connection):
            with database.in_words(self._path):
                with connection:  # before the lock is taken, so that a damaged file stays as it is
                    connection.execute("BEGIN")
                    _meta(self._path, connection)
                    database.check_size(self._path, connection)
                if lock:
                    acquire(connection, lock, timeout)
            try:
                yield SqliteWriter(self._path, connection, lock)
            finally:
                with database.in_words(self._path):
                    if lock:
                        release(connection, lock)

    def close(self) -> None:
        """Does nothing: no connection outlives a call."""

    def holder(self) -> LockInfo | None:
        """Who holds the lock. Raises StateError."""
        with self._reading() as connection:
            return holder(connection) if connection else None

    def runs(self) -> tuple[PastRun, ...]:
        """Every run, oldest first. Raises StateError."""
        with self._reading() as connection:
            rows = connection.execute(queries()["list_runs"]) if connection else ()
            return tuple(PastRun(Run(*row[:5]), *row[5:]) for row in rows)

    def events(self, address: Address) -> tuple[PastEvent, ...]:
        """What happened to a component, oldest first; "" stands for the state itself. Raises StateError."""
        with self._reading() as connection:
            rows = connection.execute(queries()["list_events"], (address,)) if connection else ()
            return tuple(map(PastEvent._make, rows))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection that only reads, None where there is no state."""
        with database.in_words(self._path):
            if not database.exists(self._path):
                yield None
                return
            with closing(database.open_for_reading(self._path)) as connection:
                try:
                    yield connection
                except (LookupError, TypeError) as error:
                    raise StateError(f"The state {self._path} {database.DAMAGED}: it holds {error}.") from error


class SqliteWriter:
    """Satisfies ports.StateWriter. Every method raises StateError, and then has changed nothing."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: LockInfo | None) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock
        self._run = ""
        with database.in_words(path):
            self._base = _meta(path, connection)

    def begin(self, run: Run) -> None:
        with self._transaction() as now:
            self._connection.execute(queries()["begin_run"], (*run, now))
        self._run = run.id

    def intend(self, transitions: Sequence[Transition]) -> None:
        if not transitions:
            return
        with self._transaction() as now:
            rows = [(t.address, t.key, self._run, now, t.verb, t.source, t.target) for t in transitions]
            self._connection.executemany(queries()["put_intent"], rows)

    def settle(self, writes: Sequence[Write]) -> int:
        if not writes:
            return self._base[1]
        base = (self._base[0] or str(uuid.uuid4()), self._base[1] + 1)
        with self._transaction() as now:
            self._connection.execute(queries()["set_meta"], base)
            self._append_events(writes, now, base[1])
            self._put_records({write.address: write.record for write in writes}, base[1])
        self._base = base
        return base[1]

    def finish(self, outcome: str) -> None:
        with self._transaction() as now:
            self._connection.execute(queries()["finish_run"], (now, outcome, self._run))

    def _append_events(self, writes: Sequence[Write], now: str, serial: int) -> None:
        rows = [
            (self._run, now, w.address, w.verb, w.record.state if w.record else ABSENT, _storable(w.error), serial)
            for w in writes
        ]
        self._connection.executemany(queries()["append_event"], rows)

    def _put_records(self, records: dict[Address, Record | None], serial: int) -> None:
        gone = [(address,) for address, record in records.items() if record is None]
        rows = [(*r[:3], r.status.value, *r[4:9], serial, _storable(r.error)) for r in records.values() if r]
        self._connection.executemany(queries()["delete_record"], gone)
        self._connection.executemany(queries()["put_record"], rows)
        self._connection.executemany(queries()["delete_intent"], [(address,) for address in records])

    @contextmanager
    def _transaction(self) -> Iterator[str]:
        """A durable transaction on the state as this writer knows it; gives the time."""
        with database.in_words(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._check()
            yield self._connection.execute(queries()["clock"]).fetchone()[0]

    def _check(self) -> None:
        found = _meta(self._path, self._connection)
        if found != self._base:
            raise StateError(
                f"The state {self._path} was changed by someone else: serial {found[1]} instead of {self._base[1]}."
            )
        if self._lock:
            other = holder(self._connection)
            if other is None or other.id != self._lock.id:
                raise StateError(f"The lock of {self._path} was lost to {other.who if other else 'someone else'}.")


def _meta(path: Path, connection: sqlite3.Connection) -> tuple[str, int]:
    """Lineage and serial."""
    row: tuple[str, int] | None = connection.execute(queries()["load_meta"]).fetchone()
    if row is None:
        raise StateError(f"The state {path} {database.DAMAGED}: it has no serial.")
    return row


def _records(rows: list[tuple[Any, ...]]) -> dict[Address, Record]:
    # Runs for every component there is: a named tuple's own constructor costs several times as much.
    new, statuses = tuple.__new__, _STATUSES
    return {row[0]: new(Record, (*row[:3], statuses[row[3]], *row[4:])) for row in rows}


def _storable(text: str) -> str:
    """`text` without the halves of characters that UTF-8 cannot hold: a driver's error may quote any file name."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
