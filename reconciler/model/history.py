"""What a state remembers of what was done to it: intents, runs, events and the lock."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.record import Record


class Intent(NamedTuple):
    """What a driver was asked to do, noted before it was asked.

    `key` names the operation, `attempt` counts the tries from 1. `before` is the record as it was, None where there
    was none; `after` is the record that stands once the verb has succeeded, None where the component is then gone.
    """

    key: str
    address: Address
    verb: str
    source: str
    target: str
    attempt: int
    before: Record | None
    after: Record | None


class Run(NamedTuple):
    """What a run is for: its id, the operation ("apply"), who started it (user@host), and the commit and tree that it
    applies."""

    id: str
    operation: str
    who: str
    commit: str
    tree: str


class PastRun(NamedTuple):
    """A run with its times (RFC 3339, in UTC, by the database's clock). `finished` and `outcome` are "" for one that
    has not ended; `outcome` is "ok", "failed", "interrupted" or "died"."""

    run: Run
    started: str
    finished: str
    outcome: str


class PastEvent(NamedTuple):
    """One entry of the event log.

    `number` counts from 1 without gaps. `address` is "" for what happened to the state as a whole. `state`, `status`
    and `fingerprint` are those of the record after the event ("absent" and "" where it is gone). `text` is the error,
    or what else there is to say. `digest` chains the entry to the one before.
    """

    number: int
    time: str
    run: str
    address: Address
    verb: str
    state: str
    status: str
    fingerprint: str
    text: str
    serial: int
    digest: str


class LockInfo(NamedTuple):
    """Who wants the lock: an id to release it by, the operation, who (user@host), and the process."""

    id: str
    operation: str
    who: str
    pid: int


class Lock(NamedTuple):
    """The lock as it is held: by whom, since when and until when (RFC 3339, by the database's clock), and the fencing
    term, which grows by one each time that the lock is taken."""

    info: LockInfo
    created: str
    expires: str
    term: int


class Backup(NamedTuple):
    """A snapshot of a whole state that can be restored: its name, and the serial and the time it was taken at."""

    name: str
    serial: int
    time: str


class Damage(NamedTuple):
    """Something in a stored state that is not as it was written: where ("event 17", "service/x") and what."""

    where: str
    what: str
