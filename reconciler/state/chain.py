"""The event log and the chain that makes it tamper-evident.

Events are numbered from 1 without gaps. The digest of each covers the digest of the one before it and all of its own
columns, so an entry cannot be changed, left out, put in or moved without breaking every digest after it. The number and
digest of the last one stand in the state's own row, so that a log that lost its end is noticed too; and each backup
carries them as they were, so that a log rewritten from its start no longer fits the backups.

An event holds what is needed to rebuild the record that stood after it: the manifest by its digest, each kept once, and
the other fields in `rest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import orjson

from reconciler.model.address import Address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.record import Record, Status
from reconciler.state.connection import Connection, Flaw, Row
from reconciler.state.rows import Meta, manifest_digest, to_json


class Entry(NamedTuple):
    """An event but for its number and digest."""

    time: str
    run: str
    address: Address
    verb: str
    state: str
    status: str
    fingerprint: str
    text: str
    serial: int
    manifest: str
    rest: str


def about_state(time: str, run: str, verb: str, text: str, serial: int) -> Entry:
    """What happened to the state as a whole."""
    return Entry(time, run, "", verb, "", "", "", storable(text), serial, "", "")


def about_component(
    time: str, run: str, address: Address, verb: str, record: Record | None, text: str, serial: int
) -> Entry:
    """What happened to a component; `record` is what stands after it."""
    if record is None:
        return Entry(time, run, address, verb, ABSENT, "", "", storable(text), serial, "", "")
    _, kind, state, status, fingerprint, manifest, references, source, commit, own_serial, error, failures = record
    rest = to_json((kind, references.decode(), source, commit, own_serial, error, failures)).decode()
    digest = manifest_digest(manifest)
    columns = (time, run, address, verb, state, status.value, fingerprint, storable(text), serial, digest, rest)
    return tuple.__new__(Entry, columns)  # quicker than the named tuple's own constructor


def append(connection: Connection, meta: Meta, entries: Sequence[Entry]) -> Meta:
    """Adds `entries` to the log that ends as `meta` says. Returns `meta` with the new end, which is not yet saved."""
    rows: list[Row] = []
    digest = meta.digest
    for number, entry in enumerate(entries, meta.number + 1):
        columns = (number, *entry)
        digest = link(digest, columns)
        rows.append((*columns, digest))
    connection.executemany("append_event", rows)
    return meta._replace(number=meta.number + len(rows), digest=digest)


def link(previous: str, columns: Row) -> str:
    """The digest of an event, from the digest of the one before and all columns up to its own digest."""
    return blake2b(previous.encode() + to_json(columns), digest_size=20).hexdigest()


def rebuild(address: Address, event: Row, manifest: bytes) -> Record | None:
    """The record after an event, from its columns from `state` on; None where the component was gone. Raises Flaw."""
    state, status, fingerprint, _, rest = event
    if not rest:
        return None
    try:
        kind, references, source, commit, serial, error, failures = orjson.loads(rest)
        tail = (source, commit, serial, error, failures)
        return Record(address, kind, state, Status(status), fingerprint, manifest, references.encode(), *tail)
    except (ValueError, TypeError, AttributeError) as error:
        raise Flaw(f"an event of {address} cannot be read") from error


def storable(text: str) -> str:
    """`text` as any database can hold it: a driver's error may quote any file name."""
    return text and text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
