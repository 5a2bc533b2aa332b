"""The SQLite store: the contract of every store, and its file."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_state import OnSqlite, query
from store_contract import ROOT, StoreContract
from store_contract_history import HistoryContract
from store_contract_lock import LockContract
from store_contract_notes import NotesContract
from store_values import lock, put, record

from reconciler.model.record import RecordedState
from reconciler.ports import StateError
from reconciler.state import sqlite_file
from reconciler.state.queries import queries
from reconciler.state.sqlite import SqliteStore


class TestContract(OnSqlite, StoreContract):
    pass


class TestLockContract(OnSqlite, LockContract):
    pass


class TestHistoryContract(OnSqlite, HistoryContract):
    pass


class TestNotesContract(OnSqlite, NotesContract):
    pass


class TestFile:
    def test_loading_creates_nothing(self, store: SqliteStore, path: Path) -> None:
        store.load()
        assert not path.parent.exists()

    def test_it_is_private(self, filled: SqliteStore, path: Path) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not [file.name for file in path.parent.iterdir() if file.name.endswith(".new")]

    def test_it_is_marked(self, filled: SqliteStore, path: Path) -> None:
        assert query(path, "PRAGMA application_id") == [(sqlite_file.APPLICATION_ID,)]
        assert query(path, "PRAGMA user_version") == [(sqlite_file.VERSION,)]

    def test_names_that_an_address_of_a_file_would_misread(self, tmp_path: Path) -> None:
        store = SqliteStore(tmp_path / "a?mode=memory#b%20c" / "state.db")
        with store.write(None, 0) as writer:
            writer.settle(put(record("a")))
        assert store.load().serial == 1

    @pytest.mark.parametrize("size", [0, 1, 15, 99, 100, 4095, 4096, 8192, 20480, -4096, -1])
    def test_a_truncated_file(self, filled: SqliteStore, path: Path, size: int) -> None:
        os.truncate(path, size if size >= 0 else path.stat().st_size + size)
        self._is_refused(filled, path, "is damaged")

    def test_a_file_of_something_else(self, store: SqliteStore, path: Path) -> None:
        path.parent.mkdir()
        path.write_bytes(b"kind: Service\n" * 100)
        self._is_refused(store, path, "is not a SQLite file")

    def test_a_database_of_something_else(self, store: SqliteStore, path: Path) -> None:
        path.parent.mkdir()
        query(path, "CREATE TABLE cookies (name TEXT)")
        self._is_refused(store, path, "belongs to another program")

    def test_a_newer_layout(self, filled: SqliteStore, path: Path) -> None:
        query(path, "PRAGMA user_version = 7")
        self._is_refused(filled, path, rf"newer ureg \(layout 7, this one knows {sqlite_file.VERSION}\)")

    def test_garbage_within(self, filled: SqliteStore, path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        self._is_refused(filled, path, "is damaged")

    def test_a_link(self, filled: SqliteStore, path: Path) -> None:
        target = path.rename(path.with_name("other.db"))
        path.symlink_to(target)
        self._is_refused(filled, path, "symbolic link")

    def test_a_folder(self, store: SqliteStore, path: Path) -> None:
        path.mkdir(parents=True)
        with pytest.raises(StateError, match="not a regular file"):
            store.load()

    def test_values_that_are_never_written(self, filled: SqliteStore, path: Path) -> None:
        query(path, "UPDATE record SET status = 'odd'")
        with pytest.raises(StateError, match="is damaged"):
            filled.load()

    def test_a_missing_row(self, filled: SqliteStore, path: Path) -> None:
        query(path, "DELETE FROM meta")
        self._is_refused(filled, path, "is damaged")

    def test_a_place_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        store = SqliteStore(tmp_path / "file" / "state.db")
        with pytest.raises(StateError, match="Not a directory"), store.write(None, 0):
            pass

    def _is_refused(self, store: SqliteStore, path: Path, why: str) -> None:
        before = path.read_bytes()
        with pytest.raises(StateError, match=why):
            store.load()
        with pytest.raises(StateError, match=why), store.write(lock(), 0) as writer:
            writer.settle(put(record("a")))
        assert path.read_bytes() == before


@pytest.fixture
def read_only(filled: SqliteStore, path: Path) -> Iterator[SqliteStore]:
    """The filled state in a folder that may not be written; as root, tried as somebody else."""
    with tempfile.TemporaryDirectory() as place:
        folder, user = Path(place), os.geteuid()
        owner = user or 65534
        (folder / "state.db").write_bytes(path.read_bytes())
        for file in (folder, folder / "state.db"):
            os.chown(file, owner, -1)
        folder.chmod(0o555)
        os.seteuid(owner)
        try:
            yield SqliteStore(folder / "state.db")
        finally:
            os.seteuid(user)
            folder.chmod(0o700)


class TestReadOnly:
    def test_it_can_be_read(self, read_only: SqliteStore, filled: SqliteStore) -> None:
        assert len(read_only.load().records) == 200

    def test_writing_is_refused_in_words(self, read_only: SqliteStore) -> None:
        with pytest.raises(StateError, match="read-only"), read_only.write(lock(), 0):
            pass


class TestPieces:
    def test_every_query_is_described_and_each_database_has_it_once(self) -> None:
        text = (ROOT / "reconciler/state/queries.sql").read_text()
        parts = text.split("-- name: ")[1:]
        assert all(part.splitlines()[1].startswith("-- ") for part in parts)
        assert queries("sqlite").keys() == queries("postgresql").keys()
        assert len(parts) == len(queries("sqlite")) + text.count(" (sqlite)\n")
        for dialect in ("sqlite", "postgresql"):
            assert all(sql.endswith(";") and "--" not in sql for sql in queries(dialect).values())

    def test_no_query_reads_the_whole_log_or_sorts(self, filled: SqliteStore, path: Path) -> None:
        for name, sql in queries("sqlite").items():
            for *_, step in query(path, f"EXPLAIN QUERY PLAN {sql.replace('?', '1')}"):
                assert not str(step).startswith(("SCAN event", "SCAN manifest", "USE TEMP B-TREE")), name

    @pytest.mark.parametrize(
        ("version", "safe"),
        [
            ((3, 40, 1), False),
            ((3, 44, 5), False),
            ((3, 44, 6), True),
            ((3, 45, 9), False),
            ((3, 50, 6), False),
            ((3, 50, 7), True),
            ((3, 51, 2), False),
            ((3, 51, 3), True),
            ((3, 54, 0), True),
        ],
    )
    def test_wal_only_where_it_loses_nothing(self, version: tuple[int, ...], safe: bool) -> None:
        assert sqlite_file.wal_is_safe(version) is safe

    def test_commits_are_synced(self, filled: SqliteStore, path: Path) -> None:
        with closing(sqlite_file.open_for_writing(path)) as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            mode = "wal" if sqlite_file.wal_is_safe(sqlite3.sqlite_version_info) else "truncate"
            assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)

    def test_a_reader_cannot_write(self, filled: SqliteStore, path: Path) -> None:
        with (
            closing(sqlite_file.open_for_reading(path)) as connection,
            pytest.raises(sqlite3.OperationalError, match="readonly"),
        ):
            connection.execute("DELETE FROM record")

    def test_an_empty_state_is_empty(self, store: SqliteStore) -> None:
        with store.write(lock(), 0):
            pass
        assert store.load() == RecordedState("", 0, {})
