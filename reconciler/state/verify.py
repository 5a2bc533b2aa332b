"""Looks for everything in a stored state that is not as it was written.

Manifests and events are read in windows, each with a short transaction of its own, so that no writer waits for the
reading of a million; they are never changed, so the windows fit together. What must agree with the end of the log is
read with that end in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.history import Damage
from reconciler.state.backups import Anchor, Backups
from reconciler.state.chain import Entry, about_component, link
from reconciler.state.connection import Connection, Connector, Damaged, Flaw, Row, in_words
from reconciler.state.rows import (
    Meta,
    RunRow,
    load_manifest,
    load_meta,
    manifest_digest,
    read_intent,
    read_record,
    read_run,
)

_WINDOW = 10_000
_FIRST = -(2**63)


def verify(connector: Connector, connection: Connection, backups: Backups) -> list[Damage]:
    """Everything that is wrong. A part that cannot be read at all is named, and the others are looked at."""
    manifests, log = _Manifests(), _Log()

    def anchor() -> Iterator[Damage]:
        log.anchor(backups.anchors(load_meta(connection).lineage))
        return iter(())

    def end() -> Iterator[Damage]:
        with connection.reading():
            meta = load_meta(connection)
            yield from log.read(connection)
            yield from log.check_end(meta)
            yield from _check_records(connection, log.latest, meta)
            yield from _check_runs(connection, log)
            yield from _check_intents(connection)

    parts: tuple[Callable[[], Iterator[Damage]], ...] = (
        lambda: (Damage("database", text) for text in connection.flaws()),
        lambda: manifests.read(connection),
        anchor,
        lambda: log.read(connection),
        end,
        lambda: manifests.check_names(connection, log.named),
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
    """Every manifest that was there before the log was read, by its digest."""

    def __init__(self) -> None:
        self._digests: set[str] = set()

    def read(self, connection: Connection) -> Iterator[Damage]:
        last = ""
        while rows := connection.all("list_manifests", (last, _WINDOW)):
            last = rows[-1][0]
            self._digests.update(row[0] for row in rows)
            for digest, body in rows:
                if not isinstance(body, bytes) or manifest_digest(body) != digest:
                    yield Damage(f"manifest {digest}", "is not as it was written")

    def check_names(self, connection: Connection, named: Mapping[str, tuple[int, Address]]) -> Iterator[Damage]:
        """`named` are the digests that events name, each with one of those events."""
        for digest in self._digests - named.keys():
            yield Damage(f"manifest {digest}", "belongs to no event")
        for digest in named.keys() - self._digests:
            number, address = named[digest]
            try:
                with connection.reading():
                    load_manifest(connection, address, digest)
            except Flaw:
                yield Damage(f"event {number}", "its manifest is missing")


class _Link(NamedTuple):
    """Where the chain is: the last event's number, and the digests that the next one may have been chained to; none
    where that cannot be told."""

    number: int = 0
    digests: tuple[str, ...] = ("",)


class _Log:
    """The event log, read from its start, and what it says of everything else."""

    def __init__(self) -> None:
        self._anchors: tuple[Anchor, ...] = ()
        self._position = _FIRST
        self._link = _Link()
        self._start: tuple[str, int] | None = None
        self.latest: dict[Address, tuple[int, Entry]] = {}
        self.named: dict[str, tuple[int, Address]] = {}
        self.runs: dict[str, tuple[int, str]] = {}
        """Of each run the number of its first event, and its outcome."""

    def anchor(self, anchors: Iterable[Anchor]) -> None:
        """What the backups of this lineage say of the log, to hold it against."""
        self._anchors = tuple(anchors)

    def read(self, connection: Connection) -> Iterator[Damage]:
        """From where it was read last to the end there is now."""
        while rows := connection.all("list_events", (self._position, _WINDOW)):
            self._position = rows[-1][0]
            for row in rows:
                yield from self._follow(row[0], Entry._make(row[1:-1]), row[-1])

    def check_end(self, meta: Meta) -> Iterator[Damage]:
        number, digests = self._link
        if number < meta.number:
            yield Damage(f"event {number + 1}", f"is missing, and all after it up to event {meta.number}")
        elif number > meta.number:
            yield Damage(f"event {meta.number + 1}", "was put in from outside, or its successors were")
        elif meta.digest not in digests:
            yield Damage(f"event {number}", "is not the last one that was written")
        for anchor in self._anchors:
            if anchor.number > number and self._is_ours(anchor):
                yield Damage(f"event {number + 1}", f"is missing; the backup {anchor.name} knows event {anchor.number}")

    def _follow(self, number: int, entry: Entry, digest: str) -> Iterator[Damage]:
        expected = self._link.number + 1
        if number > expected:
            missing = f"event {expected}" if number == expected + 1 else f"events {expected} to {number - 1}"
            yield Damage(missing, "missing")
            self._link = _Link(number - 1, ())
        links = [_try_link(previous, number, entry) for previous in self._link.digests]
        if (links and digest not in links) or number < expected:
            yield Damage(f"event {number}", "is not the one that was written: changed, moved or put in from outside")
        self._link = _Link(max(number, expected - 1), tuple({digest, *links}))
        self._note(number, entry)
        for anchor in self._anchors:
            if anchor.number == number and anchor.digest != digest and self._is_ours(anchor):
                yield Damage(f"event {number}", f"is not the one that the backup {anchor.name} knows")

    def _is_ours(self, anchor: Anchor) -> bool:
        """Whether a backup was made since this log began. One that began anew, after damage, says so: what first moved
        its serial was a replacement."""
        verb, serial = self._start or ("", 0)
        return verb != "replace" or anchor.serial >= serial

    def _note(self, number: int, entry: Entry) -> None:
        if self._start is None and entry.serial:
            self._start = (entry.verb, entry.serial)
        if entry.address:
            self.latest[entry.address] = (number, entry)
        elif entry.verb == "begin":
            self.runs[entry.run] = (number, "")
        elif entry.verb == "finish":
            self.runs[entry.run] = (self.runs.get(entry.run, (0, ""))[0], entry.text)
        if entry.manifest:
            self.named.setdefault(entry.manifest, (number, entry.address))


def _try_link(previous: str, number: int, entry: Entry) -> str:
    try:
        return link(previous, number, entry)
    except (TypeError, AttributeError):  # a value of a type that is never written
        return ""


def _check_records(connection: Connection, latest: dict[Address, tuple[int, Entry]], meta: Meta) -> Iterator[Damage]:
    total, unseen = meta.total, dict(latest)
    for row in connection.all("load_records"):
        total ^= row[-1]
        yield from _check_record(row, unseen.pop(row[0], None))
    for address, (number, entry) in unseen.items():
        if entry.status:
            yield Damage(address, f"its record is missing; event {number} left it {entry.state}")
    if total:
        yield Damage("records", "they are not those that were written last")


def _check_record(row: Row, last: tuple[int, Entry] | None) -> Iterator[Damage]:
    try:
        record = read_record(row)
    except Flaw as flaw:
        yield Damage(str(row[0]), str(flaw))
        return
    if last is None or not last[1].status:
        yield Damage(record.address, "is recorded, but no event tells of it")
    elif _columns(about_component("", "", record.address, "", record, "", 0)) != _columns(last[1]):
        yield Damage(record.address, f"is not what event {last[0]} left")


def _columns(entry: Entry) -> tuple[Any, ...]:
    """Those that tell of the record after an event."""
    return (entry.state, entry.status, entry.fingerprint, entry.manifest, entry.rest)


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
