"""Snapshots of a whole state in files of their own, for the day on which its database is damaged.

A backup is written before a run changes anything, and the last few are kept. Its first line is a digest of all others,
its second a JSON object (`_Head`), and each other line one record as a JSON list, or the address of one that is gone.
Writing a whole state costs what the state is large, so where little happened since a whole backup, one is written that
holds only what changed since that one. It is kept for as long as one that builds on it, and a few builds at most do, so
that not all depends on one file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from reconciler.model.address import Address
from reconciler.model.history import Backup
from reconciler.model.record import Record, RecordedState
from reconciler.ports import StateError
from reconciler.state.connection import Flaw
from reconciler.state.durable import make_folder, write_whole
from reconciler.state.rows import Meta, pack, to_json, unpack

KEPT = 10
_SUFFIX = ".json"
_HEAD = 4096
_BUILDS = 4
_SMALL = 10
"""At most so many backups build on one, and only while the log grew by less than one event for so many records."""


class Anchor(NamedTuple):
    """What a backup says of its state: the serial, the event log's last number, and the digest of that event."""

    name: str
    serial: int
    number: int
    digest: str


class _Head(NamedTuple):
    """`records` is how many lines follow; `base` names the backup that this one builds on, "" for none."""

    lineage: str
    serial: int
    time: str
    event: int
    digest: str
    records: int
    base: str


class Backups:
    """The backups in one folder, which the first one makes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kept(self) -> tuple[Backup, ...]:
        """Newest first."""
        with suppress(FileNotFoundError, NotADirectoryError):
            found = [_named(path.name) for path in self._folder.iterdir() if path.suffix == _SUFFIX]
            return tuple(sorted(filter(None, found), key=lambda each: (each.time, each.serial), reverse=True))
        return ()

    def has(self, meta: Meta) -> bool:
        """Whether there is one of the state as it is now."""
        return any(head.serial == meta.serial for _, head in self._heads(meta.lineage))

    def base(self, meta: Meta) -> Anchor | None:
        """The backup that the next one may build on, if the log still holds its last event."""
        heads = self._heads(meta.lineage)
        for name, head in heads:
            if not head.base:
                builds = sum(other.base == name for _, other in heads)
                near = 0 <= (meta.number - head.event) * _SMALL < head.records
                return Anchor(name, head.serial, head.event, head.digest) if near and builds < _BUILDS else None
        return None

    def keep(self, meta: Meta, records: Mapping[Address, Record | None], time: str, base: Anchor | None = None) -> None:
        """Writes a backup, whole or not at all, and removes those that are too many. With a `base`, `records` are
        those that changed since, None for those that are gone."""
        builds_on = base.name if base else ""
        head = _Head(meta.lineage, meta.serial, time, meta.number, meta.digest, len(records), builds_on)
        make_folder(self._folder)
        name = f"{meta.serial}-{time}{_SUFFIX}"
        temporary = self._folder / f".{name}.{os.getpid()}.new"
        write_whole(self._folder / name, temporary, lambda file: _write(file, head, records))
        self._remove_old(meta.lineage)

    def read(self, name: str) -> RecordedState:
        """The state that a backup holds. Raises StateError for one that is not there or not as it was written."""
        if name not in {each.name for each in self.kept()}:
            raise StateError(f"There is no backup {name!r}.")
        with (self._folder / name).open("rb") as file:
            if file.readline(_HEAD) != b"%s\n" % file_digest(file, _hash).hexdigest().encode():
                raise StateError(f"The backup {name} is damaged: it is not as it was written.")
            file.seek(0)
            file.readline(_HEAD)
            try:
                head = _Head(**orjson.loads(file.readline()))
                changed = dict(map(_read_line, file))
            except (ValueError, TypeError, LookupError, Flaw) as error:
                raise StateError(f"The backup {name} is damaged: it cannot be read.") from error
        merged = {**self.read(head.base).records, **changed} if head.base else changed
        records = {address: record for address, record in merged.items() if record}
        return RecordedState(head.lineage, head.serial, records)

    def anchors(self, lineage: str) -> list[Anchor]:
        """What the backups of a lineage say about its event log."""
        return [Anchor(name, head.serial, head.event, head.digest) for name, head in self._heads(lineage)]

    def last_serial(self, lineage: str) -> int:
        """The highest serial of a lineage that is known here; 0 for none."""
        return next((head.serial for _, head in self._heads(lineage)), 0)

    def newer_than(self, meta: Meta, known: Sequence[Backup]) -> str | None:
        """The name of one of `known` that is of a later state, which shows that this is an old copy."""
        for each in known:
            head = self._read_head(each.name) if each.serial > meta.serial else None
            if head and head.lineage == meta.lineage:
                return each.name
        return None

    def _heads(self, lineage: str) -> list[tuple[str, _Head]]:
        """Those of a lineage, the highest serial first."""
        heads = ((each.name, self._read_head(each.name)) for each in self.kept())
        found = [(name, head) for name, head in heads if head and head.lineage == lineage]
        return sorted(found, key=lambda each: each[1].serial, reverse=True)

    def _read_head(self, name: str) -> _Head | None:
        """What a backup says of itself; None where that cannot be read."""
        with suppress(OSError, ValueError, TypeError), (self._folder / name).open("rb") as file:
            file.readline(_HEAD)
            return _Head(**orjson.loads(file.readline(_HEAD)))
        return None

    def _remove_old(self, lineage: str) -> None:
        """Those of this lineage that are too many, and what a crash left half written."""
        heads = self._heads(lineage)
        needed = {name for name, _ in heads[:KEPT]} | {head.base for _, head in heads[:KEPT]}
        half = (path.name for path in self._folder.iterdir() if path.suffix == ".new")
        for name in {*half, *(name for name, _ in heads)} - needed:
            (self._folder / name).unlink(missing_ok=True)


def _write(file: BinaryIO, head: _Head, records: Mapping[Address, Record | None]) -> None:
    digest = _hash()
    file.write(b"%s\n" % digest.hexdigest().encode())  # keeps the place
    line = to_json(head._asdict())
    file.write(line)
    digest.update(line)
    for address, record in records.items():
        line = b"\n%s" % (pack(record).encode() if record else to_json(address))
        file.write(line)
        digest.update(line)
    file.flush()
    os.pwrite(file.fileno(), digest.hexdigest().encode(), 0)


def _read_line(line: bytes) -> tuple[Address, Record | None]:
    if line.startswith(b'"'):
        return orjson.loads(line), None
    record = unpack(line.decode())
    if record is None:
        raise Flaw("a line is empty")
    return record.address, record


def _named(name: str) -> Backup | None:
    serial, dash, time = name.removesuffix(_SUFFIX).partition("-")
    whole = dash and name.endswith(_SUFFIX) and serial.isdecimal() and serial.isascii()
    return Backup(name, int(serial), time) if whole else None


def _hash() -> blake2b:
    return blake2b(digest_size=20)
