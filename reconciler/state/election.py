"""Which of several daemons on one PostgreSQL state leads: a row with a lease by the server's clock and a term.

The leader renews the lease. Another daemon takes the row over when the lease has run out, or at once when the leader's
process is provably gone from the same machine, and adds one to the term. It then breaks the lock of the state, if the
old leader holds it, so that it need not wait for that lease too.

Who leads is not enough to make one write at a time, since a leader may sleep through its end. So the store of a daemon
compares the term in each of its transactions (`Hold.leader`), and a leader of an older term writes nothing.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from reconciler.state import lease, machine
from reconciler.state.connection import in_words

if TYPE_CHECKING:
    import psycopg

    from reconciler.state.connection import Row
    from reconciler.state.postgres import PostgresConnector
    from reconciler.state.postgres_connection import Raw

NOT_LEADING = -1
"""The term of who does not lead: no state ever has it."""

_LOAD = """
SELECT who, host, pid, started, term, since, extract(epoch FROM expires - clock_timestamp())::float8
FROM "{schema}".leader WHERE id = 1
"""
_TAKE = """
INSERT INTO "{schema}".leader (id, holder, who, host, pid, started, term, since, expires)
VALUES (1, %s, %s, %s, %s, %s, 1, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (id) DO UPDATE SET
    holder = excluded.holder, who = excluded.who, host = excluded.host, pid = excluded.pid,
    started = excluded.started, term = leader.term + 1, since = excluded.since, expires = excluded.expires
WHERE leader.expires <= clock_timestamp() OR leader.term = %s
RETURNING term
"""
_RENEW = """
UPDATE "{schema}".leader SET expires = clock_timestamp() + make_interval(secs => %s)
WHERE id = 1 AND holder = %s AND term = %s
"""
_RESIGN = """
UPDATE "{schema}".leader SET expires = to_timestamp(0) WHERE id = 1 AND holder = %s AND term = %s
"""


class Leading(NamedTuple):
    """The row of the leader: `host` is machine.process_space. `left` is how many seconds its lease still lasts, by the
    server's clock."""

    who: str
    host: str
    pid: int
    started: str
    term: int
    since: str
    left: float

    @property
    def is_over(self) -> bool:
        return self.left <= 0 or self.is_gone

    @property
    def is_gone(self) -> bool:
        return self.host == machine.process_space() != "" and machine.is_gone(self.pid, self.started)

    def __str__(self) -> str:
        return f"{self.who} (process {self.pid}, since {self.since})"


class PostgresElection:
    """Satisfies daemon.leader.Election, over one connection that stays open. `seconds` is the length of the lease.

    It is used by one thread, but for `term`, which any may read.
    """

    def __init__(self, connector: PostgresConnector, who: str, seconds: float) -> None:
        self.lease = seconds
        self.term = NOT_LEADING
        self._connector = connector
        self._who = who
        self._id = uuid4().hex
        self._raw: Raw | None = None
        self._prepared = False

    def stand(self) -> str:
        with in_words(self._connector), _dropping(self):
            if self.term != NOT_LEADING and self._renew():
                return ""
            self.term = NOT_LEADING
            there = self._load()
            if there and not there.is_over:
                return str(there)
            gone = there.term if there and there.is_gone else NOT_LEADING
            mine = (self._id, self._who, machine.process_space(), os.getpid(), machine.started(os.getpid()))
            row = self._ask(_TAKE, (*mine, self.lease, gone)).fetchone()
            if row is None:
                return str(self._load())
            if there:
                self._break_lock(there)
            self.term = row[0]
        return ""

    def resign(self) -> None:
        with in_words(self._connector), _dropping(self):
            if self.term != NOT_LEADING:
                self._ask(_RESIGN, (self._id, self.term))
                self.term = NOT_LEADING
        self.drop()

    def drop(self) -> None:
        """Closes the connection; the next call opens another one."""
        raw, self._raw = self._raw, None
        if raw:
            raw.close()

    def _renew(self) -> bool:
        return self._ask(_RENEW, (self.lease, self._id, self.term)).rowcount == 1

    def _load(self) -> Leading | None:
        row = self._ask(_LOAD, ()).fetchone()
        return Leading._make(row) if row else None

    def _ask(self, statement: str, parameters: tuple[Any, ...]) -> psycopg.Cursor[Row]:
        if not self._prepared:
            self._connector.prepare()
            self._prepared = True
        if self._raw is None:
            self._raw = self._connector.connect_for(self.lease)
        with _at_most(self._raw, self.lease / 2):
            return self._raw.execute(statement.format(schema=self._connector.schema).encode(), parameters)

    def _break_lock(self, old: Leading) -> None:
        """In a transaction that holds the state's own row: a lock that the old leader was just taking is there before
        it, or is refused after it."""
        with closing(self._connector.write()) as connection:
            lease.take_from(connection, old.pid, old.started)


@contextmanager
def _at_most(raw: Raw, seconds: float) -> Iterator[None]:
    """Ends the connection where no answer comes in time. A network may swallow what it is given for ever, and a leader
    that waits for it would not tell that it leads no more."""
    with socket.socket(fileno=os.dup(raw.fileno())) as peer:
        timer = threading.Timer(seconds, _shut, (peer,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _shut(peer: socket.socket) -> None:
    with suppress(OSError):
        peer.shutdown(socket.SHUT_RDWR)


@contextmanager
def _dropping(election: PostgresElection) -> Iterator[None]:
    """Gives up the connection where anything goes wrong with it: nobody knows what state it is in."""
    try:
        yield
    except BaseException:
        election.drop()
        raise
