"""The lock: one row that names the holder, with a lease that its heartbeats renew and a term that fences it.

Taking the lock writes the row and adds one to the term that the state's own row keeps. While a run holds the lock for
minutes no transaction stays open, so nobody else waits for the database. The lease is short and a thread renews it
every third of its length.

On PostgreSQL only the server's clock says when a lease ends. A SQLite file has no clock but that of its machine, which
someone may set, so there the holder also notes how long the machine had run: whoever looks while the machine still runs
goes by that, and the time of day only counts on another machine that shares the file. The uptime stands still while the
machine sleeps, as the holder does.

The next one takes the lock over when the lease has run out, or at once when the holder's process is provably gone (it
was on this machine, and the machine was started anew, or its number is free or belongs to a process that started
later), and says so in the log.

A lock does not stop a holder that slept through such a change, so each of the writer's transactions checks that the
term is still the newest and the row still its own. A holder that lost the lock never gets it back: it can write
nothing more, and does not give back what is not its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

from reconciler.model.history import Lock, LockInfo
from reconciler.ports import Locked, StateError
from reconciler.state import machine
from reconciler.state.chain import about_state, append
from reconciler.state.connection import Connection, Connector, in_words
from reconciler.state.rows import Meta, load_meta, save_meta

LEASE = 15.0
"""Seconds that a lock outlives the last sign of life of its holder."""

_POLL = 0.05
"""Seconds between two looks at a lock that someone else holds."""


class Holder(NamedTuple):
    """The row of the lock. `started` is when the holder's process did (machine.started), and `lapses` when the lease
    ends, in seconds of that machine's uptime; 0 where only `expires` counts."""

    id: str
    operation: str
    who: str
    pid: int
    started: str
    created: str
    expires: str
    term: int
    lapses: float = 0.0

    @property
    def lock(self) -> Lock:
        return Lock(LockInfo(*self[:4]), self.created, self.expires, self.term)

    def __str__(self) -> str:
        return f"{self.who} (process {self.pid}, {self.operation}, since {self.created})"


class Hold(NamedTuple):
    """The lock as this process took it: its id and the fencing term. `leader` is the term in which it leads all
    daemons, 0 where it is none of several."""

    id: str
    term: int
    leader: int = 0


def now(connection: Connection) -> str:
    """The time by the database's clock."""
    row = connection.one("clock")
    if row is None:
        raise StateError("The database tells no time.")
    time_of_day: str = row[0]
    return time_of_day


def holder(connection: Connection) -> Holder | None:
    """The row of the lock, even where its lease has run out."""
    row = connection.one("load_lock")
    return Holder(*row[1:]) if row else None


def current(connection: Connection) -> Lock | None:
    """Who holds the lock; None also where the lease has run out or the holder's process is provably gone."""
    with connection.reading():
        found = holder(connection)
        return found.lock if found and not _is_over(connection, found) else None


def check(connection: Connection, mine: Hold, meta: Meta, place: str) -> None:
    """Raises StateError where the lock is no longer held as `mine`. To be called in the transaction that writes."""
    other = holder(connection)
    if other is None or (other.id, other.term) != (mine.id, mine.term) or meta.term != mine.term:
        raise StateError(
            f"The lock of {place} was lost to {other or 'someone who forced it open'}. Nothing more is written."
        )
    _check_leader(connection, mine.leader, place)


def acquire(
    connector: Connector, connection: Connection, info: LockInfo, timeout: float, lease: float, leader: int = 0
) -> Hold:
    """Takes the lock for `info`, waiting at most `timeout` seconds. Raises Locked, and StateError where `leader` is the
    term of a daemon that no longer leads."""
    deadline = time.monotonic() + timeout
    while True:
        with in_words(connector):
            taken = _try(connector, connection, info, lease, leader)
        if isinstance(taken, Hold):
            return taken
        left = deadline - time.monotonic()
        if left <= 0:
            raise Locked(taken)
        time.sleep(min(_POLL, left))


@contextmanager
def kept(connector: Connector, mine: Hold, lease: float) -> Iterator[None]:
    """Renews the lease of `mine` in a thread, for as long as the block runs."""
    stop = threading.Event()
    thread = threading.Thread(target=_beat, args=(connector, mine, lease, stop), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(lease)


def release(connection: Connection, mine: Hold) -> None:
    """Gives the lock back, if it is still held as `mine`."""
    with connection.writing():
        connection.execute("release_lock", (mine.id, mine.term))


def take_from(connection: Connection, pid: int, started: str) -> None:
    """Breaks the lock if this process holds it: the leader of the daemons, which leads no more."""
    with connection.writing():
        meta = load_meta(connection, "hold_meta")
        other = holder(connection)
        if other and (other.pid, other.started) == (pid, started):
            connection.execute("release_lock", (other.id, other.term))
            save_meta(connection, _note(connection, meta, "takeover", other))


def force(connection: Connection, lock_id: str) -> bool:
    """Takes the lock with this id from its holder; False where there is none."""
    with connection.writing():
        meta = load_meta(connection, "hold_meta")
        other = holder(connection)
        if other is None or other.id != lock_id:
            return False
        connection.execute("release_lock", (other.id, other.term))
        save_meta(connection, _note(connection, meta, "force-unlock", other))
    return True


def _try(connector: Connector, connection: Connection, info: LockInfo, lease: float, leader: int) -> Hold | Lock:
    """Takes the lock, or tells who has it. Looks first, so that those who wait do not disturb who works."""
    with connection.reading():
        other = holder(connection)
        if other and not _is_over(connection, other):
            return other.lock
    with connection.writing():
        meta = load_meta(connection, "hold_meta")
        _check_leader(connection, leader, connector.place)
        other = holder(connection)
        if other and not _is_over(connection, other):
            return other.lock
        if other:
            meta = _note(connection, meta, "takeover", other)
        term = meta.term + 1
        connection.execute("take_lock", (*info, machine.started(info.pid), term, lease))
        save_meta(connection, meta._replace(term=term))
    return Hold(info.id, term, leader)


def _check_leader(connection: Connection, term: int, place: str) -> None:
    if term and (connection.one("leader_term") or (0,))[0] != term:
        raise StateError(f"This daemon no longer leads those of {place}. Nothing more is written.")


def _note(connection: Connection, meta: Meta, verb: str, other: Holder) -> Meta:
    text = f"took the lock of {other}"
    return append(connection, meta, [about_state(now(connection), "", verb, text, meta.serial)])


def _is_over(connection: Connection, other: Holder) -> bool:
    return _has_run_out(connection, other) or _is_gone(other)


def _has_run_out(connection: Connection, other: Holder) -> bool:
    boot = other.started.rpartition("/")[0]
    if other.lapses and boot and boot == machine.boot_id():
        return other.lapses <= time.monotonic()
    return other.expires <= now(connection)


def _is_gone(other: Holder) -> bool:
    return other.who.rpartition("@")[2] == os.uname().nodename and machine.is_gone(other.pid, other.started)


def _beat(connector: Connector, mine: Hold, lease: float, stop: threading.Event) -> None:
    """Renews the lease until `stop`, or until the lock is lost. A renewal that fails is tried again at the next beat:
    that the lease ran out meanwhile is for the writer to notice."""
    while not stop.wait(lease / 3):
        with suppress(StateError), in_words(connector), closing(connector.write()) as connection:
            if not _renew(connection, mine, lease):
                return


def _renew(connection: Connection, mine: Hold, lease: float) -> bool:
    with connection.writing():
        return bool(connection.execute("renew_lock", (lease, mine.id, mine.term)))
