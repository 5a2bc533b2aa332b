"""A state in a PostgreSQL database, which a team shares: opens it, makes it, and brings its layout up to date.

Everything lies in one schema, so that several registries fit into one database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.ports import StateError
from reconciler.state import lease
from reconciler.state.election import PostgresElection
from reconciler.state.postgres_connection import VERSION, Home, PostgresConnection
from reconciler.state.postgres_url import Target, place, target
from reconciler.state.postgres_words import is_momentary, newer, sentence
from reconciler.state.queries import migrations
from reconciler.state.store import SqlStore

if TYPE_CHECKING:
    from reconciler.state.postgres_connection import Raw

_OLDEST = 13
_IDLE = 10.0
_PATIENCE = 5.0
_PAUSE = 0.1
"""Seconds for which a server that takes no connection just now is asked again, and between two tries."""

_USUAL = {
    "connect_timeout": "10",
    "fallback_application_name": "ureg",
    # A network that died is noticed within the time that the lock outlives its holder.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_MIGRATE = """
BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;
SET LOCAL search_path = "{schema}", pg_temp;
SET LOCAL lock_timeout = '15s'
"""


def open_store(url: str, backups: Path, seconds: float = lease.LEASE) -> SqlStore:
    """The state at `url` (postgresql://USER@HOST/DATABASE?schema=NAME). `backups` is the folder of its snapshots, and
    `seconds` how long a lock outlives its holder's last sign of life. Nothing is opened yet."""
    return SqlStore(PostgresConnector(url, seconds), backups, seconds)


def open_election(url: str, who: str, seconds: float) -> PostgresElection:
    """The election of the daemon that leads all those of the state at `url`. `who` names this one, and `seconds` is how
    long a leader outlives its last sign of life. Nothing is opened yet."""
    return PostgresElection(PostgresConnector(url, idle=seconds), who, seconds)


def open_led_store(url: str, backups: Path, election: PostgresElection) -> SqlStore:
    """The state at `url` for a daemon, which writes to it only while it leads. Nothing is opened yet."""
    return SqlStore(PostgresConnector(url, idle=election.lease), backups, leader=lambda: election.term)


class PostgresConnector:
    """Satisfies connection.Connector. A write whose connection breaks is tried again for `patience` seconds; one that
    falls asleep in the middle is undone after `idle` seconds, since others wait for it."""

    def __init__(self, url: str, patience: float = lease.LEASE, idle: float = _IDLE) -> None:
        self._url = url
        self._patience = patience
        self._idle = idle

    @property
    def place(self) -> str:
        return place(self._url)

    def read(self) -> PostgresConnection | None:
        with self.words():
            raw = self._connect_at_last()
            try:
                found = self._layout(raw) > 0
            except BaseException:
                raw.close()
                raise
            if found:
                home = Home(self._connect, self.schema, self.place, self._patience, self._idle)
                return PostgresConnection(raw, home)
            raw.close()
        return None

    def write(self) -> PostgresConnection:
        connection = self.read()
        if connection is None:
            raise StateError(f"There is no state {self.place}.")
        return connection

    def prepare(self) -> None:
        with self.words(), closing(self._connect_at_last()) as raw:
            if self._layout(raw) < VERSION:
                self._migrate(raw)

    @contextmanager
    def words(self) -> Iterator[None]:
        psycopg = _driver()
        try:
            yield
        except psycopg.Error as error:
            raise sentence(error, self.place, self._secrets()) from None

    def reserve(self, size: int) -> None:
        """Does nothing: the server keeps its own disk."""

    def free(self) -> bool:
        return False

    def set_aside(self) -> str:
        schema = self._target.schema
        other = f"{schema}_{datetime.now(UTC):%Y%m%d_%H%M%S}"
        with self.words(), closing(self._connect_at_last()) as raw:
            raw.execute(f'ALTER SCHEMA "{schema}" RENAME TO "{other}"'.encode())
        return f"the schema {other}"

    @property
    def schema(self) -> str:
        return self._target.schema

    def connect_for(self, seconds: float) -> Raw:
        """A connection on which a network that died is noticed within about so many seconds."""
        return self._connect(connect_timeout=str(max(2, int(seconds))), tcp_user_timeout=str(int(seconds * 1000)))

    @property
    def _target(self) -> Target:
        return target(self._url)

    def _secrets(self) -> list[str]:
        return [str(value) for name, value in self._options().items() if "password" in name]

    def _options(self) -> dict[str, Any]:
        """The URL in parts. What libpq says against one is not passed on, since it quotes it."""
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        with suppress(ProgrammingError):
            return conninfo_to_dict(self._target.url)
        raise StateError(
            f"The URL of the state {self.place} has a part that libpq does not understand: an option that it does not "
            "know, or a % that must be written %25."
        )

    def _connect_at_last(self) -> Raw:
        """The first connection, also to a server that is about to take one."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return self._connect()
            except _driver().OperationalError as error:
                if not is_momentary(error) or time.monotonic() + _PAUSE > deadline:
                    raise
            time.sleep(_PAUSE)

    def _connect(self, **more: str) -> Raw:
        options = {**_USUAL, **self._options(), "client_encoding": "UTF8", **more}
        raw: Raw = _driver().connect(**options, autocommit=True, prepare_threshold=None)
        if raw.info.server_version < _OLDEST * 10_000:
            raw.close()
            raise StateError(f"The server of the state {self.place} is too old: ureg needs PostgreSQL {_OLDEST}.")
        return raw

    def _layout(self, raw: Raw) -> int:
        """The number of the last migration, 0 where there is no state. Refuses one that is newer."""
        schema = self._target.schema
        if "layout" not in _tables(raw, schema):
            return 0
        version: int = raw.execute(f'SELECT version FROM "{schema}".layout'.encode()).fetchall()[0][0]  # noqa: S608
        if version > VERSION:
            raise newer(self.place, version, VERSION)
        return version

    def _migrate(self, raw: Raw) -> None:
        """Everything in one transaction, which others that want the same wait for."""
        schema = self._target.schema
        raw.execute(_MIGRATE.format(schema=schema).encode())
        raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"ureg:{schema}",))
        version = self._layout(raw)
        if version == 0:
            self._make_room(raw)
        for number, script in migrations("postgresql"):
            if number > version:
                raw.execute(script.encode())
                raw.execute("UPDATE layout SET version = %s", (number,))
        raw.execute("COMMIT")

    def _make_room(self, raw: Raw) -> None:
        """Makes the schema; one that is there already must be empty."""
        schema = self._target.schema
        if _tables(raw, schema):
            raise StateError(
                f"The schema {schema} of {self.place} belongs to another program; name another one: ?schema=NAME."
            )
        # Where it is there already, the right to make one is not needed.
        if not raw.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchall():
            raw.execute(f'CREATE SCHEMA "{schema}"'.encode())


def _tables(raw: Raw, schema: str) -> set[str]:
    """The names of all tables in `schema`. It asks the catalogue itself: a function such as to_regclass may answer from
    what the session knew before it waited."""
    query = "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s"
    return {row[0] for row in raw.execute(query, (schema,))}


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise StateError(
            f"A state in PostgreSQL needs psycopg, which cannot be used here ({error}). "
            "Install it with: pip install 'ureg[postgres]'"
        ) from error
    return psycopg
