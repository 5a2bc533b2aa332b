"""The recorded state in a database, whichever: what ports.StateStore promises, over a connector.

Each call opens its own connection, so nothing stays open and nothing is shared between threads. A reader's transactions
are short, so that no writer waits for one who reads the log page by page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from reconciler.model.address import Address
from reconciler.model.history import Backup, Damage, Intent, Lock, LockInfo, PastEvent, PastRun
from reconciler.model.record import Record, RecordedState
from reconciler.ports import Locked, Moved, StateError
from reconciler.state import lease
from reconciler.state.backups import Backups
from reconciler.state.chain import rebuild
from reconciler.state.connection import Connection, Connector, Damaged, Flaw, in_words, reading
from reconciler.state.lazy import LazyRecords
from reconciler.state.notes import SqlNotes
from reconciler.state.rows import (
    Meta,
    RunRow,
    load_manifest,
    load_marks,
    load_meta,
    load_records,
    load_some,
    read_intent,
    read_run,
)
from reconciler.state.writer import SqlWriter

_WINDOW = 1_000
_ALL = 2**63 - 1


class SqlStore:
    """Satisfies ports.StateStore. `backups` is the folder of the snapshots; `seconds` is how long a lock outlives its
    holder's last sign of life. `leader` gives the term in which this process leads all daemons; 0 where it is none."""

    def __init__(
        self,
        connector: Connector,
        backups: Path,
        seconds: float = lease.LEASE,
        leader: Callable[[], int] = lambda: 0,
    ) -> None:
        self._connector = connector
        self._backups = Backups(backups)
        self._lease = seconds
        self._leader = leader
        self.notes = SqlNotes(connector, self._meta)

    def load(self) -> RecordedState:
        with self._reading() as connection:
            if connection is None:
                return RecordedState("", 0, {})
            with connection.reading():
                meta = self._meta(connection)
                return RecordedState(meta.lineage, meta.serial, load_records(connection, meta.total))

    def survey(self) -> RecordedState:
        with self._reading() as connection:
            if connection is None:
                return RecordedState("", 0, {})
            with connection.reading():
                meta = self._meta(connection)
                marks = load_marks(connection, meta.total)
        read = partial(self._read_at, meta.lineage, meta.serial)
        return RecordedState(meta.lineage, meta.serial, LazyRecords(marks, read), marks)

    @contextmanager
    def write(self, lock: LockInfo | None, timeout: float) -> Iterator[SqlWriter]:
        with in_words(self._connector):
            self._connector.prepare()
            connection = self._connector.write()
        with closing(connection):
            with in_words(self._connector):
                self._meta(connection)  # before the lock is taken, so that a damaged state stays as it is
            held = self._acquire(connection, lock, timeout) if lock else None
            with self._held(connection, held):
                yield SqlWriter(self._connector, connection, held, self._backups)

    def holder(self) -> Lock | None:
        with self._reading() as connection:
            return lease.current(connection) if connection else None

    def unlock(self, lock_id: str) -> bool:
        with self._reading() as connection:
            if connection is None:
                return False
        with in_words(self._connector), closing(self._connector.write()) as connection:
            return lease.force(connection, lock_id)

    def pending(self) -> tuple[Intent, ...]:
        with self._reading() as connection:
            return tuple(map(read_intent, connection.all("list_intents"))) if connection else ()

    def runs(self) -> tuple[PastRun, ...]:
        with self._reading() as connection:
            return tuple(read_run(row).past for row in connection.all("list_runs")) if connection else ()

    def events(
        self, address: Address | None = None, run: str | None = None, newest: int | None = None
    ) -> Iterable[PastEvent]:
        if address is None:
            first, last = self._extent(run, newest)
            return self._events_between(first, last, run)
        if run is None:
            return self._events_of(address, newest)
        return [event for event in self._events_of(address) if event.run == run][-(newest or 0) :]

    def serial_at(self, moment: str) -> int | None:
        with self._reading() as connection:
            if connection is None:
                return None
            with connection.reading():
                number = _number_at(connection, moment, load_meta(connection))
                return _event_at(connection, number)[1] or None if number else None

    def record_at(self, address: Address, serial: int) -> Record | None:
        with self._reading() as connection:
            if connection is None:
                return None
            with connection.reading():
                row = connection.one("event_of_address_at", (address, serial))
                return rebuild(address, row, load_manifest(connection, address, row[3])) if row else None

    def verify(self) -> list[Damage]:
        from reconciler.state.verify import verify

        try:
            with self._reading() as connection:
                found = verify(self._connector, connection, self._backups) if connection else []
        except Damaged as damage:
            return [Damage("database", damage.why)]
        return found

    def backups(self) -> tuple[Backup, ...]:
        with in_words(self._connector):
            return self._backups.kept()

    def read_backup(self, name: str) -> RecordedState:
        with in_words(self._connector):
            return self._backups.read(name)

    def restore(self, name: str, lock: LockInfo) -> int:
        recorded = self.read_backup(name)
        why = f"restored the backup {name}"
        if self.verify():
            return self._start_anew(recorded, why, lock)
        with self.write(lock, 0) as writer:
            return writer.replace(recorded, why)

    def close(self) -> None:
        """Does nothing: no connection outlives a call."""

    def _acquire(self, connection: Connection, lock: LockInfo, timeout: float) -> lease.Hold:
        return lease.acquire(self._connector, connection, lock, timeout, self._lease, self._leader())

    def _start_anew(self, recorded: RecordedState, why: str, lock: LockInfo) -> int:
        """Makes a new database in the place of a damaged one, which is kept and not even locked: locking is writing."""
        if holder := self._last_holder():
            raise Locked(holder)
        with in_words(self._connector):
            newest = max(recorded.serial, self._last_serial())
            kept = self._connector.set_aside()
        state = RecordedState(recorded.lineage, newest, recorded.records)
        with self.write(lock, 0) as writer:
            return writer.replace(state, f"{why}; the damaged state is kept as {kept}")

    def _read_at(self, lineage: str, serial: int, addresses: Sequence[Address]) -> Mapping[Address, Record]:
        """The records at `addresses` when the state has this serial. Raises Moved."""
        with self._reading() as connection:
            if connection is not None:
                with connection.reading():
                    meta = self._meta(connection)
                    if (meta.lineage, meta.serial) == (lineage, serial):
                        return load_some(connection, addresses)
        raise Moved("The state was written while it was being read. Run the command again.")

    def _last_holder(self) -> Lock | None:
        """Who holds the lock of a damaged state, as far as can be told."""
        with suppress(StateError):
            return self.holder()
        return None

    def _last_serial(self) -> int:
        """What can still be read of a damaged state; 0 for nothing."""
        with suppress(StateError), self._reading() as connection:
            return load_meta(connection).serial if connection else 0
        return 0

    def _meta(self, connection: Connection) -> Meta:
        """The state's own row. Raises Flaw where a backup is of a later state than this."""
        known = self._backups.kept()  # first, since the state may go on meanwhile
        meta = load_meta(connection)
        if name := self._backups.newer_than(meta, known):
            raise Flaw(f"it is older than its backup {name}, so it is an old copy or its newest part is missing")
        return meta

    def _extent(self, run: str | None, newest: int | None) -> tuple[int, int]:
        """The numbers of the first and last event: of all or of one run, of all of them or only the newest."""
        with self._reading() as connection:
            if connection is None:
                return 1, 0
            with connection.reading():
                first, last = 1, load_meta(connection).number
                if run is None:
                    return (max(first, last + 1 - newest) if newest else first), last
                row = connection.one("load_run", (run,))
                if row is None:
                    return 1, 0
                first, last = _extent_of(read_run(row), last)
                oldest = connection.one("nth_newest_of_run", (first, last, run, newest - 1)) if newest else None
                return oldest[0] if oldest else first, last

    def _events_of(self, address: Address, newest: int | None = None) -> list[PastEvent]:
        with self._reading() as connection:
            rows = connection.all("events_of_address", (address, newest or _ALL)) if connection else []
            return list(map(PastEvent._make, reversed(rows)))

    def _events_between(self, first: int, last: int, run: str | None) -> Iterator[PastEvent]:
        for start in range(first, last + 1, _WINDOW):
            window = (start, min(start + _WINDOW - 1, last))
            with self._reading() as connection:
                if connection is None:
                    return
                if run is None:
                    rows = connection.all("events_between", window)
                else:
                    rows = connection.all("events_of_run", (*window, run))
            yield from map(PastEvent._make, rows)

    @contextmanager
    def _held(self, connection: Connection, held: lease.Hold | None) -> Iterator[None]:
        """Keeps the lock while the block runs, and gives it and the reserve back; what the block raises comes first."""
        with lease.kept(self._connector, held, self._lease) if held else nullcontext():
            try:
                yield
            except BaseException:
                with suppress(StateError):
                    self._let_go(connection, held)
                raise
        self._let_go(connection, held)

    def _let_go(self, connection: Connection, held: lease.Hold | None) -> None:
        with in_words(self._connector):
            self._connector.free()
            if held:
                lease.release(connection, held)

    def _reading(self) -> AbstractContextManager[Connection | None]:
        return reading(self._connector)


def _extent_of(run: RunRow, last: int) -> tuple[int, int]:
    return run.first, run.last or last


def _number_at(connection: Connection, moment: str, meta: Meta) -> int:
    """The number of the last event by `moment`; 0 for none. Where the clock was once set back, any that fits."""
    row = connection.one("run_of_commit", (moment,))
    if row:
        return _extent_of(read_run(row), meta.number)[1]
    try:
        time = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    text = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return bisect_right(range(1, meta.number + 1), text, key=lambda number: _event_at(connection, number)[0])


def _event_at(connection: Connection, number: int) -> tuple[str, int]:
    row = connection.one("event_at", (number,))
    if row is None:
        raise Flaw(f"event {number} is missing")
    return row[0], row[1]
