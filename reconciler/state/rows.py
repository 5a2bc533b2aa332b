"""How the values of the model lie in rows: records, intents, runs and the state's own row, each with its checksum.

A checksum is a CRC over every column of its row, computed here and compared wherever a row is read. SQLite itself does
not notice most of the flipped bits that change what a row says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from hashlib import blake2b
from operator import xor
from typing import NamedTuple
from zlib import crc32

import orjson

from reconciler.model.address import Address
from reconciler.model.history import Intent, PastRun, Run
from reconciler.model.record import Record, Status
from reconciler.state.connection import Connection, Flaw, Row

_STATUSES = {status.value: status for status in Status}


class Meta(NamedTuple):
    """The state as a whole. `term` counts the holders of the lock, `number` and `digest` are the last event's, and
    `total` is the exclusive or of the checksums of all records."""

    lineage: str = ""
    serial: int = 0
    term: int = 0
    number: int = 0
    digest: str = ""
    total: int = 0


class RunRow(NamedTuple):
    """A run as it is stored; `last` is 0 while it has not ended."""

    id: str
    operation: str
    who: str
    commit: str
    tree: str
    started: str
    finished: str
    outcome: str
    first: int
    last: int

    @property
    def past(self) -> PastRun:
        return PastRun(Run(*self[:5]), *self[5:8])


def checksum(columns: Iterable[object]) -> int:
    """Of a row of texts and numbers."""
    return crc32("\0".join(map(str, columns)).encode())


def load_meta(connection: Connection, query: str = "load_meta") -> Meta:
    """The state's own row. Raises Flaw."""
    row = connection.one(query)
    if row is None:
        raise Flaw("the row of its serial is missing")
    return Meta._make(_sound(row, "the row of its serial"))


def save_meta(connection: Connection, meta: Meta) -> None:
    connection.execute("set_meta", (*meta, checksum(meta)))


def load_records(connection: Connection, total: int) -> dict[Address, Record]:
    """Every record. Raises Flaw for a row that is not as it was written, and where `total` tells of more or fewer."""
    rows = connection.all("load_records")
    records = {row[0]: read_record(row) for row in rows}
    _check_total(rows, total)
    return records


def load_marks(connection: Connection, total: int) -> dict[Address, str]:
    """The mark of every record, as model.record.mark makes it. Raises Flaw where `total` tells of more or fewer."""
    rows = connection.all("survey")
    _check_total(rows, total)
    if not {type(row[0]) for row in rows} <= {str}:
        raise Flaw("a record has an address that is never written")
    return {address: mark for address, mark, _ in rows}


def _check_total(rows: Sequence[Row], total: int) -> None:
    """Raises Flaw where the checksums at the end of all `rows` do not add up to `total`."""
    try:
        rest = reduce(xor, [row[-1] for row in rows], total)
    except TypeError as flaw:
        raise Flaw("a record has a checksum that is never written") from flaw
    if rest:
        raise Flaw("records are missing, or some were put in from outside")


def load_some(connection: Connection, addresses: Iterable[Address]) -> dict[Address, Record]:
    """The records at `addresses`, as far as they are there. Raises Flaw."""
    return {row[0]: read_record(row) for row in connection.all("load_some_records", (to_json([*addresses]).decode(),))}


def load_changed(connection: Connection, number: int) -> dict[Address, Record | None]:
    """The records of what anything happened to after the event `number`; None for those that are gone. Raises Flaw."""
    changed: dict[Address, Record | None] = {
        address: None for (address,) in connection.all("changed_since", (number,)) if address
    }
    changed.update(load_some(connection, changed))
    return changed


def read_record(row: Row) -> Record:
    """Raises Flaw."""
    a, kind, state, status, fingerprint, manifest, references, source, commit, serial, error, failures, expected = row
    text = f"{a}\0{kind}\0{state}\0{status}\0{fingerprint}\0{source}\0{commit}\0{serial}\0{failures}\0{error}"
    try:
        if crc32(text.encode(), crc32(manifest, crc32(references))) != expected:
            raise Flaw(f"the record of {a} is not as it was written")
        # Runs for every component there is: a named tuple's own constructor costs several times as much.
        return tuple.__new__(Record, (a, kind, state, _STATUSES[status], *row[4:12]))
    except (LookupError, TypeError) as flaw:
        raise Flaw(f"the record of {a} holds what is never written") from flaw


def record_row(record: Record) -> Row:
    """The columns of `record`, its checksum last."""
    a, kind, state, status, fingerprint, manifest, references, source, commit, serial, error, failures = record
    text = f"{a}\0{kind}\0{state}\0{status.value}\0{fingerprint}\0{source}\0{commit}\0{serial}\0{failures}\0{error}"
    return (a, kind, state, status.value, *record[4:], crc32(text.encode(), crc32(manifest, crc32(references))))


def put_records(connection: Connection, records: Mapping[Address, Record | None], total: int) -> int:
    """Writes `records`, None for those that are gone, and returns what becomes of `total`. Manifests that are written
    over are kept for the history."""
    replaced = connection.all("load_replaced", (to_json([*records]).decode(),))
    put_manifests(connection, (old for address, old, _ in replaced if not _has(records[address], old)))
    rows = [record_row(record) for record in records.values() if record]
    connection.executemany("delete_record", [(address,) for address, _, _ in replaced])
    connection.executemany("put_record", rows)
    return reduce(xor, (row[-1] for row in rows), reduce(xor, (row[-1] for row in replaced), total))


def put_manifests(connection: Connection, bodies: Iterable[bytes]) -> None:
    """Keeps manifests for the history."""
    connection.executemany("put_manifest", [*{manifest_digest(body): body for body in bodies if body}.items()])


def load_manifest(connection: Connection, address: Address, digest: str) -> bytes:
    """The manifest that an event of a component names. Raises Flaw."""
    for query, key in (("load_manifest", digest), ("load_current_manifest", address)):
        row = connection.one(query, (key,)) if digest else (b"",)
        body = row[0] if row else None
        if isinstance(body, bytes) and manifest_digest(body) == digest:
            return body
    raise Flaw(f"a manifest of {address} is missing")


def _has(record: Record | None, manifest: bytes) -> bool:
    return record is not None and record.manifest == manifest


def pack(record: Record | None) -> str:
    """A whole record as a JSON list, "" for none."""
    if record is None:
        return ""
    a, kind, state, status, fingerprint, manifest, references, source, commit, serial, error, failures = record
    head = (a, kind, state, status.value, fingerprint, manifest.decode(), references.decode())
    return to_json((*head, source, commit, serial, error, failures)).decode()


def unpack(text: str) -> Record | None:
    """What `pack` made `text` from. Raises Flaw."""
    if not text:
        return None
    try:
        *head, status, fingerprint, manifest, references, source, commit, serial, error, failures = orjson.loads(text)
        address, kind, state = head
        tail = (source, commit, serial, error, failures)
        encoded = (manifest.encode(), references.encode())
        return Record(address, kind, state, _STATUSES[status], fingerprint, *encoded, *tail)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Flaw("it holds a record that cannot be read") from error


def to_json(value: object) -> bytes:
    """As JSON. Raises UnicodeError for text that is none."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise UnicodeError(str(error)) from error


def manifest_digest(manifest: bytes) -> str:
    """The name that a manifest is kept under in the history; "" for none."""
    return blake2b(manifest, digest_size=20).hexdigest() if manifest else ""


def intent_row(intent: Intent) -> Row:
    key, address, verb, source, target, attempt, before, after = intent
    row = (address, key, verb, source, target, attempt, pack(before), pack(after))
    return (*row, checksum(row))


def read_intent(row: Row) -> Intent:
    """Raises Flaw."""
    address, key, verb, source, target, attempt, before, after = _sound(row, f"the intent of {row[0]}")
    return Intent(key, address, verb, source, target, attempt, unpack(before), unpack(after))


def run_row(run: RunRow) -> Row:
    return (*run, checksum(run))


def read_run(row: Row) -> RunRow:
    """Raises Flaw."""
    return RunRow._make(_sound(row, f"the run {row[0]}"))


def _sound(row: Row, what: str) -> Row:
    """The columns of `row` without the checksum at their end."""
    *columns, expected = row
    if checksum(columns) != expected:
        raise Flaw(f"{what} is not as it was written")
    return tuple(columns)
