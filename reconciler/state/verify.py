"""Looks for everything in a stored state that is not as it was written.

Manifests and events are read in windows, each with a short transaction of its own, so that no writer waits for the
reading of a million; they are never changed, so the windows fit together. What must agree with the end of the log is
read with that end in one transaction. Memory grows with the components and the manifests that are kept, not with the
log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import xor

from reconciler.model.address import Address
from reconciler.model.history import Damage
from reconciler.state.backups import Anchor, Backups
from reconciler.state.chain import Entry, about_component, link
from reconciler.state.connection import Connection, Connector, Damaged, Flaw, Row, in_words
from reconciler.state.notes import read_note
from reconciler.state.rows import (
    Meta,
    RunRow,
    load_manifest,
    load_meta,
    manifest_digest,
    read_intent,
    read_record,
    read_run,
    to_json,
)

_WINDOW = 10_000
_FIRST = -(2**63)


def verify(connector: Connector, connection: Connection, backups: Backups) -> list[Damage]:
    """Everything that is wrong. A part that cannot be read at all is named, and the others are looked at."""
    manifests = _Manifests()
    log = _Log(manifests)

    def anchor() -> Iterator[Damage]:
        log.anchor(backups.anchors(load_meta(connection).lineage))
        return iter(())

    def end() -> Iterator[Damage]:
        with connection.reading():
            meta = load_meta(connection)
            yield from log.read(connection)
            yield from log.check_end(meta)
            yield from _check_records(connection, log, meta)
            yield from _check_runs(connection, log)
            yield from _check_intents(connection)
            yield from _check_notes(connection)

    parts: tuple[Callable[[], Iterator[Damage]], ...] = (
        lambda: (Damage("database", text) for text in connection.flaws()),
        lambda: manifests.read(connection),
        anchor,
        lambda: log.read(connection),
        end,
        lambda: _check_manifests(connection, log, manifests),
    )
    return [damage for part in parts for damage in _guarded(connector, part)]


def _guarded(connector: Connector, part: Callable[[], Iterator[Damage]]) -> list[Damage]:
    found: list[Damage] = []
    try:
        with in_words(connector):
            found.extend(part())
    except Damaged as damage:
        found.append(Damage("database", damage.why))
    return found


class _Manifests:
    """The manifests that were kept before the log was read, by their digests."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.unnamed: set[str] = set()
        """Those that no event has named yet."""

    def read(self, connection: Connection) -> Iterator[Damage]:
        last = ""
        while rows := connection.all("list_manifests", (last, _WINDOW)):
            last = rows[-1][0]
            self.kept.update(row[0] for row in rows)
            for digest, body in rows:
                if not isinstance(body, bytes) or manifest_digest(body) != digest:
                    yield Damage(f"manifest {digest}", "is not as it was written")
        self.unnamed = self.kept.copy()


class _Log:
    """The event log, read from its start, and what it says of everything else."""

    def __init__(self, manifests: _Manifests) -> None:
        self._manifests = manifests
        self._anchors: tuple[Anchor, ...] = ()
        self._anchored: frozenset[int] = frozenset()
        self._position = _FIRST
        self._number = 0
        """The last event's."""
        self._digests: tuple[str, ...] = ("",)
        """Those that the next event may have been chained to; none where that cannot be told."""
        self._start: tuple[str, int] | None = None
        self.latest: dict[Address, int] = {}
        """The number of the last event of each component."""
        self.unkept: dict[str, tuple[int, Address]] = {}
        """The manifests that are named but not kept, so that a record must have them, each with an event that names
        it."""
        self.runs: dict[str, tuple[int, str]] = {}
        """Of each run the number of its first event, and its outcome."""

    def anchor(self, anchors: Iterable[Anchor]) -> None:
        """What the backups of this lineage say of the log, to hold it against."""
        self._anchors = tuple(anchors)
        self._anchored = frozenset(anchor.number for anchor in self._anchors)

    def read(self, connection: Connection) -> Iterator[Damage]:
        """From where it was read last to the end there is now."""
        while rows := connection.all("list_events", (self._position, _WINDOW)):
            self._position = rows[-1][0]
            if self._fits(rows):
                self._number, self._digests = rows[-1][0], rows[-1][-1:]
            else:
                for row in rows:
                    yield from self._judge(row[0], row[:-1], row[-1])
            self._note(rows)
            yield from self._hold_against_backups(rows)

    def has(self, address: Address, manifest: str) -> None:
        """That the record of a component has a manifest."""
        if self.unkept.get(manifest, (0, ""))[1] == address:
            del self.unkept[manifest]

    def check_end(self, meta: Meta) -> Iterator[Damage]:
        number = self._number
        if number < meta.number:
            yield Damage(f"event {number + 1}", f"is missing, and all after it up to event {meta.number}")
        elif number > meta.number:
            yield Damage(f"event {meta.number + 1}", "was put in from outside, or its successors were")
        elif meta.digest not in self._digests:
            yield Damage(f"event {number}", "is not the last one that was written")
        for anchor in self._anchors:
            if anchor.number > number and self._is_ours(anchor):
                yield Damage(f"event {number + 1}", f"is missing; the backup {anchor.name} knows event {anchor.number}")

    def _fits(self, rows: Sequence[Row]) -> bool:
        """Whether `rows`, in the order of their numbers, go on where the chain is and are as they were written."""
        if not self._digests or rows[0][0] != self._number + 1 or rows[-1][0] != self._number + len(rows):
            return False
        previous = self._digests[0]
        for row in rows:
            if _try_link(previous, row[:-1]) != row[-1]:
                return False
            previous = row[-1]
        return True

    def _judge(self, number: int, columns: Row, digest: str) -> Iterator[Damage]:
        expected = self._number + 1
        if number > expected:
            missing = f"event {expected}" if number == expected + 1 else f"events {expected} to {number - 1}"
            yield Damage(missing, "missing")
            self._digests = ()
        links = [_try_link(previous, columns) for previous in self._digests]
        if (links and digest not in links) or number < expected:
            yield Damage(f"event {number}", "is not the one that was written: changed, moved or put in from outside")
        self._number, self._digests = max(number, expected - 1), tuple({digest, *links})

    def _hold_against_backups(self, rows: Sequence[Row]) -> Iterator[Damage]:
        digests = {row[0]: row[-1] for row in rows if row[0] in self._anchored}
        for anchor in self._anchors:
            if digests.get(anchor.number, anchor.digest) != anchor.digest and self._is_ours(anchor):
                yield Damage(f"event {anchor.number}", f"is not the one that the backup {anchor.name} knows")

    def _is_ours(self, anchor: Anchor) -> bool:
        """Whether a backup was made since this log began. One that began anew, after damage, says so: what first moved
        its serial was a replacement."""
        verb, serial = self._start or ("", 0)
        return verb != "replace" or anchor.serial >= serial

    def _note(self, rows: Sequence[Row]) -> None:
        kept, unnamed = self._manifests.kept, self._manifests.unnamed
        for row in rows:
            number, address, manifest = row[0], row[3], row[10]
            if address:
                self.latest[address] = number
            else:
                self._note_run(number, Entry._make(row[1:-1]))
            if manifest in kept:
                unnamed.discard(manifest)
            elif manifest and manifest not in self.unkept:
                self.unkept[manifest] = (number, address)
            if self._start is None and row[9]:
                self._start = (row[4], row[9])

    def _note_run(self, number: int, entry: Entry) -> None:
        if entry.verb == "begin":
            self.runs[entry.run] = (number, "")
        elif entry.verb == "finish":
            self.runs[entry.run] = (self.runs.get(entry.run, (0, ""))[0], entry.text)


def _try_link(previous: str, columns: Row) -> str:
    try:
        return link(previous, columns)
    except (TypeError, AttributeError, UnicodeError):  # a value of a type that is never written
        return ""


def _check_manifests(connection: Connection, log: _Log, manifests: _Manifests) -> Iterator[Damage]:
    for digest in manifests.unnamed:
        yield Damage(f"manifest {digest}", "belongs to no event")
    with connection.reading():
        for digest, (number, address) in log.unkept.items():
            try:
                load_manifest(connection, address, digest)
            except Flaw:
                yield Damage(f"event {number}", "its manifest is missing")


def _check_records(connection: Connection, log: _Log, meta: Meta) -> Iterator[Damage]:
    rows = {row[0]: row for row in connection.all("load_records")}
    if reduce(xor, (row[-1] for row in rows.values() if isinstance(row[-1], int)), meta.total):
        yield Damage("records", "they are not those that were written last")
    numbers = [*log.latest.values()]
    for start in range(0, len(numbers), _WINDOW):
        for event in connection.all("records_after", (to_json(numbers[start : start + _WINDOW]).decode(),)):
            row = rows.pop(event[1], None)
            yield from _check_record(row, event, log) if row else _check_gone(event)
    for row in rows.values():
        yield from _check_record(row, None, log)


def _check_record(row: Row, event: Row | None, log: _Log) -> Iterator[Damage]:
    """What is wrong with a record, beside the last event of its component."""
    try:
        record = read_record(row)
    except Flaw as flaw:
        yield Damage(str(row[0]), str(flaw))
        return
    entry = about_component("", "", record.address, "", record, "", 0)
    log.has(record.address, entry.manifest)
    if event is None or not event[3]:
        yield Damage(record.address, "is recorded, but no event tells of it")
    elif event[2:] != (entry.state, entry.status, entry.fingerprint, entry.manifest, entry.rest):
        yield Damage(record.address, f"is not what event {event[0]} left")


def _check_gone(event: Row) -> Iterator[Damage]:
    number, address, state, status, *_ = event
    if status:
        yield Damage(str(address), f"its record is missing; event {number} left it {state}")


def _check_runs(connection: Connection, log: _Log) -> Iterator[Damage]:
    unseen = dict(log.runs)
    for row in connection.all("list_runs"):
        try:
            run = read_run(row)
        except Flaw as flaw:
            yield Damage(f"run {row[0]}", str(flaw))
            continue
        yield from _check_run(run, unseen.pop(run.id, None))
    for name in unseen:
        yield Damage(f"run {name}", "is missing")


def _check_run(run: RunRow, told: tuple[int, str] | None) -> Iterator[Damage]:
    if told is None:
        yield Damage(f"run {run.id}", "belongs to no event")
    elif told != (run.first, run.outcome):
        yield Damage(f"run {run.id}", f"is not what event {told[0]} and those after it tell")


def _check_intents(connection: Connection) -> Iterator[Damage]:
    for row in connection.all("list_intents"):
        try:
            read_intent(row)
        except Flaw as flaw:
            yield Damage(str(row[0]), str(flaw))


def _check_notes(connection: Connection) -> Iterator[Damage]:
    for row in connection.all("list_notes") if connection.one("has_notes") else ():
        try:
            read_note(row)
        except Flaw as flaw:
            yield Damage(f"note {row[0]}", str(flaw))
