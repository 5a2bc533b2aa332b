"""The notes of a state: small JSON documents beside the records, each written by compare-and-set.

A write holds the state's own row for one short transaction, as every write does, but neither needs nor disturbs who
holds the lock. Records, serial and lineage stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from reconciler.ports import Note, NoteMoved
from reconciler.state import lease
from reconciler.state.chain import about_state, append
from reconciler.state.connection import Connection, Connector, Flaw, Row, in_words, reading
from reconciler.state.rows import checksum, load_meta, save_meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.state.rows import Meta

_LAST = "\U0010ffff"
"""Above every letter that a key holds."""


class SqlNotes:
    """Satisfies ports.Notes. `check` gives the state's own row, and refuses a damaged state."""

    def __init__(self, connector: Connector, check: Callable[[Connection], Meta]) -> None:
        self._connector = connector
        self._check = check

    def get(self, key: str) -> Note | None:
        with self._reading() as connection:
            row = connection.one("load_note", (key,)) if connection else None
            return read_note(row) if row else None

    def under(self, prefix: str) -> tuple[Note, ...]:
        with self._reading() as connection:
            rows = connection.all("notes_from", (prefix, prefix + _LAST)) if connection else []
            return tuple(map(read_note, rows))

    def put(self, key: str, body: bytes | None, version: int, event: tuple[str, str] | None = None) -> int:
        with in_words(self._connector):
            self._connector.prepare()
            with closing(self._connector.write()) as connection:
                self._check(connection)
                with connection.writing():
                    return self._put(connection, Note(key, body or b"", version + 1), event, gone=body is None)

    def _put(self, connection: Connection, note: Note, event: tuple[str, str] | None, gone: bool) -> int:
        meta = load_meta(connection, "hold_meta")
        row = connection.one("load_note", (note.key,))
        if (read_note(row).version if row else 0) != note.version - 1:
            raise NoteMoved(f"Someone else wrote {note.key} in the state {self._connector.place} meanwhile.")
        if gone:
            connection.execute("delete_note", (note.key,))
        else:
            connection.execute("put_note", (*note, _checksum(note)))
        if event:
            told = about_state(lease.now(connection), "", *event, meta.serial)
            save_meta(connection, append(connection, meta, [told]))
        return 0 if gone else note.version

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        """A connection that only reads, None where there are no notes yet."""
        with reading(self._connector) as connection:
            if connection is None:
                yield None
                return
            with connection.reading():
                yield connection if connection.one("has_notes") else None


def read_note(row: Row) -> Note:
    """Raises Flaw."""
    key, body, version, expected = row
    if not isinstance(body, bytes) or _checksum(Note(key, body, version)) != expected:
        raise Flaw(f"the note {key} is not as it was written")
    return Note(key, body, version)


def _checksum(note: Note) -> int:
    return checksum((note.key, note.body.hex(), note.version))
