"""The one writer of a state: the rules of every write, for every database.

Each write is one durable transaction. It holds the state's own row, checks that the lock is still this writer's and
that lineage and serial are those it knows, and only then changes anything. A run is journalled: an intent is durable
before its driver acts, and its outcome, record and event land together.

On a full disk not even a row can be deleted. So space is set aside before each intent, enough for its outcome; when an
outcome finds no room, that space is given back and the outcome written. Then no further intent is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.history import Intent, Run
from reconciler.model.record import Record, RecordedState
from reconciler.ports import StateError, Write
from reconciler.state import lease
from reconciler.state.backups import Anchor, Backups
from reconciler.state.chain import Entry, about_component, about_state, append, storable
from reconciler.state.connection import Connection, Connector, NoSpace, in_words
from reconciler.state.rows import (
    Meta,
    RunRow,
    intent_row,
    load_changed,
    load_meta,
    load_records,
    put_manifests,
    put_records,
    read_run,
    run_row,
    save_meta,
)

_RESERVE = 1 << 20
_RESERVE_A_STEP = 32 << 10
_RESERVE_MOST = 64 << 20
"""Bytes set aside for a run, and for each of its open intents, and the most. An outcome touches up to eight pages."""

_PART = 10_000
"""Records that are replaced at a time, so that a large state needs no multiple of its size in memory."""

Change = Callable[[Meta, str], Meta]
"""What a transaction does: from the state's own row and the time to the new row."""


class SqlWriter:
    """Satisfies ports.StateWriter. `held` is the lock that it writes under, None for none."""

    def __init__(self, connector: Connector, connection: Connection, held: lease.Hold | None, backups: Backups) -> None:
        self._connector = connector
        self._connection = connection
        self._held = held
        self._backups = backups
        self._run = ""
        self._open: set[Address] = set()
        self._full = False
        with in_words(connector):
            self._base = load_meta(connection)

    def begin(self, run: Run) -> None:
        with in_words(self._connector):
            self._reserve(0)
            self._back_up()
        self._write(lambda meta, now: self._begin(run, meta, now))
        self._run = run.id

    def intend(self, intents: Sequence[Intent]) -> None:
        if not intents:
            return
        if self._full:
            raise NoSpace(f"The disk of the state {self._connector.place} is full; nothing more is started.")
        wanted = self._open.union(intent.address for intent in intents)
        with in_words(self._connector):
            self._reserve(len(wanted))
        self._write(lambda meta, _: self._intend(intents, meta))
        self._open = wanted

    def settle(self, writes: Sequence[Write]) -> int:
        if not writes:
            return self._base.serial
        self._write_at_last(lambda meta, now: self._settle(writes, meta, now))
        self._open.difference_update(write.address for write in writes)
        return self._base.serial

    def finish(self, outcome: str) -> None:
        self._write_at_last(lambda meta, now: self._finish(outcome, meta, now))

    def replace(self, recorded: RecordedState, why: str) -> int:
        self._write(lambda meta, now: self._replace(recorded, why, meta, now))
        return self._base.serial

    def _reserve(self, steps: int) -> None:
        self._connector.reserve(min(_RESERVE + _RESERVE_A_STEP * steps, _RESERVE_MOST))

    def _back_up(self) -> None:
        with self._connection.reading():
            meta = load_meta(self._connection)
            if self._backups.has(meta):
                return
            base = self._backups.base(meta)
            if base and self._holds(base):
                records: Mapping[Address, Record | None] = load_changed(self._connection, base.number)
            else:
                base, records = None, load_records(self._connection, meta.total)
            time = lease.now(self._connection)
        if base or records:
            self._backups.keep(meta, records, time, base)

    def _holds(self, anchor: Anchor) -> bool:
        """Whether the log still has the event that a backup ends with."""
        row = self._connection.one("event_at", (anchor.number,))
        return bool(row and row[2] == anchor.digest)

    def _begin(self, run: Run, meta: Meta, now: str) -> Meta:
        if self._held or lease.holder(self._connection) is None:
            for row in self._connection.all("open_runs"):
                meta = self._end(read_run(row), "died", meta, now)
        commit = f", commit {run.commit}" if run.commit else ""
        meta = append(
            self._connection,
            meta,
            [about_state(now, run.id, "begin", f"{run.operation} by {run.who}{commit}", meta.serial)],
        )
        self._connection.execute("begin_run", run_row(RunRow(*run, now, "", "", meta.number, 0)))
        return meta

    def _intend(self, intents: Sequence[Intent], meta: Meta) -> Meta:
        self._connection.executemany("put_intent", [intent_row(intent) for intent in intents])
        return meta

    def _settle(self, writes: Sequence[Write], meta: Meta, now: str) -> Meta:
        serial = meta.serial + 1
        records = [_stamped(write.record, serial) for write in writes]
        entries = [
            about_component(now, self._run, write.address, write.verb, record, write.error, serial)
            for write, record in zip(writes, records, strict=True)
        ]
        latest = {write.address: record for write, record in zip(writes, records, strict=True)}
        if len(latest) < len(writes):
            put_manifests(self._connection, (record.manifest for record in records if record))
        if self._connection.one("any_intent"):
            self._connection.executemany("delete_intent", [(address,) for address in latest])
        return self._record(latest, entries, meta._replace(lineage=meta.lineage or _new_lineage(), serial=serial))

    def _finish(self, outcome: str, meta: Meta, now: str) -> Meta:
        row = self._connection.one("load_run", (self._run,))
        return self._end(read_run(row), outcome, meta, now) if row else meta

    def _replace(self, recorded: RecordedState, why: str, meta: Meta, now: str) -> Meta:
        present = load_records(self._connection, meta.total)
        if present and recorded.lineage != meta.lineage:
            raise StateError(
                f"The state {self._connector.place} has another lineage ({meta.lineage}, not {recorded.lineage}); "
                "only an empty state takes one over."
            )
        lineage = recorded.lineage or meta.lineage or _new_lineage()
        serial = max(meta.serial, recorded.serial, self._backups.last_serial(lineage)) + 1
        changed: dict[Address, Record | None] = dict.fromkeys(sorted(present.keys() - recorded.records.keys()))
        changed.update((a, record) for a, record in recorded.records.items() if present.get(a) != record)
        told = [about_state(now, self._run, "replace", why, serial)]
        meta = append(self._connection, meta._replace(lineage=lineage, serial=serial), told)
        addresses = [*changed]
        for start in range(0, len(addresses), _PART):
            part = {address: changed[address] for address in addresses[start : start + _PART]}
            entries = [about_component(now, self._run, a, "replace", each, why, serial) for a, each in part.items()]
            meta = self._record(part, entries, meta)
        return meta

    def _record(self, records: Mapping[Address, Record | None], entries: Sequence[Entry], meta: Meta) -> Meta:
        meta = append(self._connection, meta, entries)
        return meta._replace(total=put_records(self._connection, records, meta.total))

    def _end(self, run: RunRow, outcome: str, meta: Meta, now: str) -> Meta:
        meta = append(self._connection, meta, [about_state(now, run.id, "finish", outcome, meta.serial)])
        row = run_row(run._replace(finished=now, outcome=outcome, last=meta.number))
        self._connection.execute("finish_run", (*row[6:8], row[9], row[10], run.id))
        return meta

    def _write(self, change: Change) -> None:
        """One durable transaction on the state as this writer knows it."""
        with in_words(self._connector), self._connection.writing():
            meta = load_meta(self._connection, "hold_meta")
            self._check(meta)
            after = change(meta, lease.now(self._connection))
            if after != meta:
                save_meta(self._connection, after)
        self._base = after

    def _write_at_last(self, change: Change) -> None:
        """What must be written, if need be into the space that was set aside for it."""
        try:
            self._write(change)
        except NoSpace:
            self._full = True
            if not self._connector.free():
                raise
            self._write(change)

    def _check(self, meta: Meta) -> None:
        if self._held:
            lease.check(self._connection, self._held, meta, self._connector.place)
        if meta[:2] != self._base[:2]:
            raise StateError(
                f"The state {self._connector.place} was changed by someone else: "
                f"serial {meta.serial} instead of {self._base.serial}."
            )


def _stamped(record: Record | None, serial: int) -> Record | None:
    """`record` as it is stored: of this serial, its error in letters that every database can hold."""
    if record is None:
        return None
    # Quicker than the named tuple's own constructor.
    return tuple.__new__(Record, (*record[:9], serial, storable(record.error), record.failures))


def _new_lineage() -> str:
    import uuid

    return str(uuid.uuid4())
