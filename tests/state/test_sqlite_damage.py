"""Damaged SQLite states: every bit that matters is guarded, and what is damaged makes room for a backup."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_state import query
from store_values import RUN, intent, lock, put, record

from reconciler.ports import StateError, StateStore, Write
from reconciler.state.sqlite import SqliteStore


@pytest.fixture
def lived(store: SqliteStore) -> SqliteStore:
    """A state that has seen two runs: 40 records, a backup, and an intent that was never answered."""
    for name in ("r1", "r2"):
        with store.write(lock(), 0) as writer:
            writer.begin(RUN._replace(id=name))
            writer.settle(put(*(record(f"s{number:02}", state=name, manifest=b"x" * number) for number in range(41))))
            writer.settle([Write("service/s40", None, "remove")])
            writer.intend([intent("s01")])
            writer.finish("ok")
    return store


def everything(store: StateStore) -> object:
    """All that a state says, but for who held its lock."""
    state = store.load()
    past = [store.record_at(f"service/s0{number}", number) for number in range(1, 5)]
    return (state, list(store.events()), store.runs(), store.pending(), past)


class TestFlippedBits:
    def test_each_of_300_is_noticed_or_changes_nothing(self, lived: SqliteStore, path: Path) -> None:
        source = random.Random(20261124)
        good, sound = path.read_bytes(), everything(lived)
        noticed = changed = 0
        for _ in range(300):
            place = source.randrange(len(good))
            path.write_bytes(good[:place] + bytes([good[place] ^ 1 << source.randrange(8)]) + good[place + 1 :])
            try:
                says = everything(lived)
            except StateError:
                noticed += 1
                continue
            if says != sound:
                changed += 1
                assert lived.verify(), f"byte {place} changes what the state says, and nothing notices"
        assert noticed + changed > 50

    def test_each_of_300_in_the_records_is_noticed_when_they_are_loaded(self, lived: SqliteStore, path: Path) -> None:
        source = random.Random(7)
        good, sound = path.read_bytes(), lived.load()
        places = [place for text in (b"r2ok", b"registry.d/s", b"c" * 40) for place in _places(good, text, len(text))]
        noticed = 0
        for _ in range(300):
            place = source.choice(places)
            path.write_bytes(good[:place] + bytes([good[place] ^ 1 << source.randrange(8)]) + good[place + 1 :])
            try:
                assert lived.load() == sound
            except StateError:
                noticed += 1
        assert noticed > 50


class TestOtherTypes:
    """SQLite keeps a value of any type in any column, and so a flipped bit can make bytes of a text."""

    @pytest.mark.parametrize(
        "column",
        ["time", "run", "address", "verb", "state", "status", "fingerprint", "text", "manifest", "rest", "digest"],
    )
    def test_bytes_in_an_event_are_named(self, lived: SqliteStore, path: Path, column: str) -> None:
        query(path, "DROP TRIGGER event_is_never_changed")
        for number, value in ((2, "x'41'"), (84, "x'ff'"), (84, "7")):
            query(path, f"UPDATE event SET {column} = {value} WHERE number = {number}")
            assert f"event {number}" in {damage.where for damage in lived.verify()}

    @pytest.mark.parametrize(
        "column", ["address", "state", "status", "manifest", "reference_list", "serial", "checksum"]
    )
    def test_bytes_and_text_in_a_record_are_named(self, lived: SqliteStore, path: Path, column: str) -> None:
        for value in ("x'ff'", "'x'", "1.5"):
            query(path, f"UPDATE record SET {column} = {value} WHERE address = 'service/s07'")
            assert lived.verify()

    @pytest.mark.parametrize("column", ["address", "state", "status", "fingerprint", "checksum"])
    def test_bytes_in_a_record_are_damage_to_a_survey_that_reads_it(
        self, lived: SqliteStore, path: Path, column: str
    ) -> None:
        query(path, f"UPDATE record SET {column} = x'ff' WHERE address = 'service/s07'")
        with pytest.raises(StateError, match="is damaged"):
            dict(lived.survey().records)


def _places(data: bytes, text: bytes, length: int) -> list[int]:
    found: list[int] = []
    start = data.find(text)
    while start >= 0:
        found.extend(range(start, start + length))
        start = data.find(text, start + 1)
    return found


class TestMissingParts:
    def test_a_write_ahead_log_that_is_gone(self, lived: SqliteStore, path: Path) -> None:
        copy = path.with_name("copy.db")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("UPDATE lock SET pid = 1")
            for suffix in ("", "-shm"):
                shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
        before = copy.read_bytes()
        for use in (SqliteStore(copy).load, lambda: SqliteStore(copy).write(lock(), 0).__enter__()):
            with pytest.raises(StateError, match="write-ahead log is missing"):
                use()
        assert copy.read_bytes() == before

    def test_an_old_copy_is_known_by_the_backups(self, lived: SqliteStore, path: Path) -> None:
        old = path.read_bytes()
        for name in ("r3", "r4"):
            with lived.write(lock(), 0) as writer:
                writer.begin(RUN._replace(id=name))
                writer.settle(put(record("s01")))
        path.write_bytes(old)
        with pytest.raises(StateError, match="is older than its backup 5-"):
            lived.load()
        with pytest.raises(StateError, match="is older than its backup 5-"), lived.write(lock(), 0):
            pass
        newest, *_ = lived.backups()
        assert lived.restore(newest.name, lock()) == 6

    def test_a_state_that_starts_anew_has_nothing_to_do_with_old_backups(self, lived: SqliteStore, path: Path) -> None:
        path.unlink()
        assert lived.load().serial == 0
        with lived.write(lock(), 0) as writer:
            assert writer.settle(put(record("a"))) == 1
        assert lived.load().serial == 1
        with lived.write(lock(), 0) as writer:
            writer.begin(RUN._replace(id="r9"))
        assert [backup.serial for backup in lived.backups()] == [1, 2], "of both lineages"


class TestRestore:
    @pytest.mark.parametrize(
        "harm",
        [
            lambda path: os.truncate(path, 5000),
            lambda path: os.truncate(path, 0),
            lambda path: path.write_text("<html>" * 100),
            lambda path: query(path, "UPDATE record SET state = 'x' WHERE address = 'service/s07'"),
            lambda path: query(path, "DELETE FROM meta"),
            lambda path: query(path, "DROP TABLE record"),
            lambda path: (query(path, "DROP TRIGGER event_is_never_deleted"), query(path, "DELETE FROM event")),
        ],
    )
    def test_a_damaged_state_is_moved_aside_and_made_anew(self, lived: SqliteStore, path: Path, harm: object) -> None:
        lineage, (backup,) = lived.load().lineage, lived.backups()
        harm(path)  # type: ignore[operator]
        before = path.read_bytes()
        serial = lived.restore(backup.name, lock())
        state = lived.load()
        assert (state.lineage, state.serial) == (lineage, serial)
        assert serial > backup.serial
        assert {each.state for each in state.records.values()} == {"r1"}
        assert len(state.records) == 40
        (kept,) = path.parent.glob("state.db.damaged-*Z")
        assert kept.read_bytes() == before
        (event, *_) = lived.events("")
        assert event.verb == "replace"
        assert event.text.endswith(f"the damaged state is kept as {kept}")
        assert lived.verify() == []

    def test_a_state_of_another_program_is_left_alone(self, lived: SqliteStore, path: Path) -> None:
        (backup,) = lived.backups()
        path.unlink()
        query(path, "CREATE TABLE cookies (name TEXT)")
        with pytest.raises(StateError, match="belongs to another program"):
            lived.restore(backup.name, lock())
        assert query(path, "SELECT * FROM cookies") == []

    def test_a_state_that_is_gone_comes_back(self, lived: SqliteStore, path: Path) -> None:
        lineage, (backup,) = lived.load().lineage, lived.backups()
        path.unlink()
        assert lived.restore(backup.name, lock()) == backup.serial + 1
        assert lived.load().lineage == lineage

    @pytest.mark.parametrize("place", [0, 30, 500, -3])
    def test_a_backup_that_was_changed_is_refused(self, lived: SqliteStore, path: Path, place: int) -> None:
        (backup,) = lived.backups()
        file = path.parent / "backups" / backup.name
        data = bytearray(file.read_bytes())
        data[place] ^= 1
        file.write_bytes(data)
        before = lived.load()
        with pytest.raises(StateError, match="is damaged"):
            lived.restore(backup.name, lock())
        assert lived.load() == before

    def test_a_backup_without_the_one_that_it_builds_on_is_refused(self, filled: SqliteStore, path: Path) -> None:
        for name in ("r1", "r2"):
            with filled.write(lock(), 0) as writer:
                writer.begin(RUN._replace(id=name))
                writer.settle(put(record("s001", state=name)))
        small, whole = filled.backups()
        folder = path.parent / "backups"
        assert (folder / small.name).stat().st_size < (folder / whole.name).stat().st_size / 10
        (folder / whole.name).unlink()
        with pytest.raises(StateError, match=f"no backup '{whole.name}'"):
            filled.restore(small.name, lock())

    def test_what_a_crash_left_half_written_is_cleared_away(self, lived: SqliteStore, path: Path) -> None:
        (path.parent / "backups" / ".1-x.json.77.new").write_text("{")
        with lived.write(lock(), 0) as writer:
            writer.begin(RUN._replace(id="r3"))
        assert all(backup.name.endswith("Z.json") for backup in lived.backups())
        assert len([*(path.parent / "backups").iterdir()]) == len(lived.backups()) == 2

    def test_a_backup_is_private_and_leaves_nothing_beside_it(self, lived: SqliteStore, path: Path) -> None:
        folder = path.parent / "backups"
        assert [file.name for file in folder.iterdir()] == [lived.backups()[0].name]
        assert {folder.stat().st_mode & 0o777, *(file.stat().st_mode & 0o777 for file in folder.iterdir())} == {
            0o700,
            0o600,
        }
