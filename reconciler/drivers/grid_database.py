"""The tables of the grid: nodes, agents and what agents are asked, beside the recorded state in PostgreSQL.

They lie in a schema of their own together with the job queue's, and are made when they are first needed. Who waits for
an answer keeps `wanted_until` in the future; -infinity says that no answer is taken any more, infinity that it is to be
done even if nobody waits. `attempt` fences: an answer counts only from the attempt that was claimed last.
"""

from __future__ import annotations

from contextlib import closing
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from psycopg import AsyncConnection, Connection
    from psycopg.rows import TupleRow

_TABLES = """
CREATE TABLE node (
    name text PRIMARY KEY,
    enabled boolean NOT NULL,
    manifest bytea NOT NULL
);
CREATE TABLE agent (
    id text PRIMARY KEY,
    node text NOT NULL,
    version text NOT NULL,
    seen timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX agent_node ON agent (node, seen);
CREATE TABLE question (
    id text PRIMARY KEY,
    node text NOT NULL,
    driver text NOT NULL,
    what text NOT NULL,
    body bytea NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    wanted_until timestamptz NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    agent text NOT NULL DEFAULT '',
    answer bytea
);
CREATE TABLE migration (name text PRIMARY KEY);
"""
_USUAL = {
    "connect_timeout": "10",
    "fallback_application_name": "ureg grid",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "client_encoding": "UTF8",
}
_MISSING = "work on other nodes needs procrastinate and psycopg, which cannot be used here ({}): pip install ureg[grid]"


class GridFault(OSError):
    """The grid cannot be used; the text says why, in words for the user."""


class Timing(NamedTuple):
    """In seconds: after how long without a sign of life the work of an agent is given to another, and after how long a
    node counts as silent. The same for all who share a database."""

    lease: float = 10.0
    silent: float = 40.0


class Database:
    """The schema `schema` of the database at `url` (as libpq has it)."""

    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._schema = schema

    @property
    def channel(self) -> str:
        """Where it is told that a question has its answer: channels belong to the whole database."""
        return f"ureg_{blake2b(self._schema.encode(), digest_size=8).hexdigest()}"

    @cached_property
    def conninfo(self) -> str:
        """How to reach it. Raises GridFault."""
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        given = {name: str(value) for name, value in conninfo_to_dict(self._url).items()}
        options = f"{given.get('options', '')} -c search_path={self._schema}"
        return make_conninfo("", **{**_USUAL, **given, "options": options})

    def connect(self) -> Connection[TupleRow]:
        """Opens a connection that commits each statement. Raises psycopg.Error."""
        connection: Connection[TupleRow] = driver().connect(self.conninfo, autocommit=True)
        return connection

    async def connect_async(self) -> AsyncConnection[TupleRow]:
        kind: type[AsyncConnection[TupleRow]] = driver().AsyncConnection
        return await kind.connect(self.conninfo, autocommit=True)

    def prepare(self, renew: bool = False) -> None:
        """Makes the tables where there are none; with `renew` it also brings the queue's up to date. Whoever wants the
        same at the same time waits. Raises psycopg.Error, and GridFault where the queue's library is missing."""
        with closing(self.connect()) as connection:
            if renew or not self._is_made(connection):
                self._make(connection)

    def _is_made(self, connection: Connection[TupleRow]) -> bool:
        query = "SELECT 1 FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relname = %s"
        return bool(connection.execute(query, (self._schema, "migration")).fetchall())

    def _make(self, connection: Connection[TupleRow]) -> None:
        try:
            from procrastinate.schema import SchemaManager, migrations_path
        except ImportError as error:
            raise GridFault(_MISSING.format(error)) from error
        scripts = {path.name: path for path in sorted(migrations_path.glob("*.sql"))}
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"ureg {self._schema}",))
            missing = set(scripts)
            if self._is_made(connection):
                missing -= {row[0] for row in cursor.execute("SELECT name FROM migration")}
                for name in sorted(missing):
                    cursor.execute(scripts[name].read_bytes())
            else:
                cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"'.encode())
                cursor.execute(SchemaManager.get_schema())
                cursor.execute(_TABLES)
            cursor.executemany("INSERT INTO migration VALUES (%s)", [(name,) for name in sorted(missing)])


def driver() -> Any:
    """The library that speaks to PostgreSQL. Raises GridFault where it is missing."""
    try:
        import psycopg
    except ImportError as error:
        raise GridFault(_MISSING.format(error)) from error
    return psycopg


def fault(error: Exception) -> GridFault:
    """What a failure of the database means to the user, in one line."""
    return GridFault(f"the database that leads to other nodes cannot be used: {' '.join(str(error).split())}")
