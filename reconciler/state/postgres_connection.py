"""A connection to PostgreSQL that survives a restart of the server, and a proxy that pools transactions.

Nothing is kept in a session: each transaction says itself which schema it means and how long it may wait, and no
statement is prepared.

A transaction may lose its connection at any moment, even while it commits, and then nobody can tell whether it
happened. So each one that writes first puts its own number into the row of its writer. When the connection breaks, a
new one begins the transaction again: the number says whether it was committed, and one that is just about to end is
waited for, since it holds that row. A transaction that was not committed is done again, statement by statement. Each
must give the answer that it gave before; otherwise someone else has written meanwhile, and nothing is written any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from uuid import uuid4

from reconciler.ports import StateError
from reconciler.state.connection import Row
from reconciler.state.postgres_bulk import encode, run_many
from reconciler.state.postgres_words import is_lost, newer
from reconciler.state.queries import queries

if TYPE_CHECKING:
    import psycopg

    Raw: TypeAlias = psycopg.Connection[Row]
    Step: TypeAlias = Callable[[psycopg.Cursor[Row]], Any]

T = TypeVar("T")

VERSION = 3
"""The number of the newest migration."""

_READ = """
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL search_path = pg_catalog, "{schema}", pg_temp
"""
_WRITE = """
BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;
SET LOCAL search_path = pg_catalog, "{schema}", pg_temp;
SET LOCAL idle_in_transaction_session_timeout = '{idle}ms';
SET LOCAL lock_timeout = '15s';
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
WITH mine AS (
    INSERT INTO writer (id, number, time) VALUES ('{writer}', {number}, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, time = excluded.time
    WHERE writer.number < excluded.number
    RETURNING id
)
SELECT (SELECT count(*) FROM mine), (SELECT version FROM layout)
"""

_FORGET = """
BEGIN READ WRITE;
DELETE FROM "{schema}".writer WHERE id = '{writer}' OR time < clock_timestamp() - interval '1 day';
COMMIT
"""

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
"""Seconds between two tries to connect."""

_CHANGING = {"clock", "load_lock"}
"""Queries whose answers change while nobody writes: time goes on, and heartbeats renew the lease. Whether the lock was
taken shows in the term, which `hold_meta` gives."""


class Home(NamedTuple):
    """Where a connection belongs: how to open another one, the schema, the place for messages, for how many seconds a
    write that lost its connection is tried again, and after how many idle ones the server undoes a transaction."""

    connect: Callable[[], Raw]
    schema: str
    place: str
    patience: float
    idle: float = 10.0


class PostgresConnection:
    """Satisfies connection.Connection."""

    def __init__(self, raw: Raw, home: Home) -> None:
        self._raw: Raw | None = raw
        self._home = home
        self._writer = uuid4().hex
        self._number = 0
        self._begin: Callable[[], bool] | None = None
        self._steps: list[tuple[str, Step, Any]] = []
        self._inside = False

    def execute(self, name: str, parameters: Sequence[Any] = ()) -> int:
        count: int = self._do(name, lambda cursor: cursor.execute(_statement(name), parameters).rowcount)
        return count

    def executemany(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._do(name, lambda cursor: run_many(cursor, queries("postgresql")[name], rows))

    def one(self, name: str, parameters: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self._do(name, lambda cursor: cursor.execute(_statement(name), parameters).fetchone())
        return row

    def all(self, name: str, parameters: Sequence[Any] = ()) -> list[Row]:
        rows: list[Row] = self._do(name, lambda cursor: cursor.execute(_statement(name), parameters).fetchall())
        return rows

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._transaction(self._begin_to_read):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._number += 1
        with self._transaction(self._begin_to_write):
            yield
            self._commit()

    def flaws(self) -> tuple[str, ...]:
        """PostgreSQL checks its pages itself, as it reads them."""
        return ()

    def close(self) -> None:
        with _quietly():
            if self._raw and self._number:
                forget = _FORGET.format(schema=self._home.schema, writer=self._writer)
                self._raw.execute(forget.encode())
        self._drop()

    @contextmanager
    def _transaction(self, begin: Callable[[], bool]) -> Iterator[None]:
        self._begin = begin
        self._steps = []
        try:
            self._persist(self._resume)
            yield
        finally:
            self._undo()
            self._begin = None

    def _do(self, name: str, step: Step) -> Any:
        if self._begin is None:
            with self.reading():
                return self._do(name, step)

        def attempt() -> Any:
            self._resume()
            return step(self._cursor())

        answer = self._persist(attempt)
        self._steps.append((name, step, answer))
        return answer

    def _persist(self, attempt: Callable[[], T]) -> T:
        """What `attempt` gives; where it loses the connection, it is tried again."""
        from psycopg import Error

        pause, deadline = _FIRST_PAUSE, 0.0
        while True:
            try:
                return attempt()
            except Error as error:
                if not is_lost(error):
                    raise
                self._drop()
                deadline = deadline or time.monotonic() + self._home.patience
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _resume(self) -> bool:
        """Begins the transaction, or begins it again on a new connection and repeats what was done in it. False where
        it was committed already."""
        if self._inside:
            return True
        if self._begin is None or not self._begin():
            return False
        cursor = self._cursor()
        for name, step, answer in self._steps:
            if step(cursor) != answer and name not in _CHANGING:
                raise StateError(
                    f"The state {self._home.place} was changed by someone else while the connection was lost."
                )
        self._inside = True
        return True

    def _begin_to_read(self) -> bool:
        self._open().execute(_READ.format(schema=self._home.schema).encode())
        return True

    def _begin_to_write(self) -> bool:
        """False where the transaction with this number was committed before."""
        idle = int(self._home.idle * 1000)
        begin = _WRITE.format(schema=self._home.schema, writer=self._writer, number=self._number, idle=idle)
        cursor = self._open().execute(begin.encode())
        while cursor.nextset():
            pass
        is_new, version = cursor.fetchone() or (0, 0)
        if version != VERSION:
            raise newer(self._home.place, version, VERSION)
        return bool(is_new)

    def _commit(self) -> None:
        from psycopg import Error

        try:
            self._persist(self._try_to_commit)
        except Error as error:
            if not is_lost(error):
                raise
            raise StateError(
                f"The connection to {self._home.place} was lost at the very end of a write, and did not come back. "
                "The next plan shows whether it was done."
            ) from None

    def _try_to_commit(self) -> None:
        if self._resume():
            self._open().execute(b"COMMIT")
            self._inside = False

    def _cursor(self) -> psycopg.Cursor[Row]:
        return self._open().cursor(binary=True)

    def _open(self) -> Raw:
        if self._raw is None:
            self._raw = self._home.connect()
        return self._raw

    def _undo(self) -> None:
        """Ends a transaction that is still open."""
        self._inside = False
        with _quietly():
            if self._raw and self._raw.info.transaction_status:
                self._raw.execute(b"ROLLBACK")
        if self._raw and self._raw.info.transaction_status:
            self._drop()

    def _drop(self) -> None:
        self._inside = False
        if self._raw:
            self._raw.close()
            self._raw = None


@cache
def _statement(name: str) -> bytes:
    return encode(queries("postgresql")[name])


@contextmanager
def _quietly() -> Iterator[None]:
    from psycopg import Error

    with suppress(Error):
        yield
