"""A SQLite state on a disk that is full: the run ends in words, and the state is at the last outcome."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_state import OnSqlite
from store_values import RUN, intent, lock, put, record

from reconciler.ports import StateError
from reconciler.state.sqlite import SqliteStore

SIZE = 32 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk of 32 MiB; None where this user can mount none."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue


class TestFullDisk(OnSqlite):
    def test_the_last_outcome_has_its_place(self, disk: Path | None, path: Path) -> None:
        folder = disk or path.parent
        store = SqliteStore(folder / "state.db")
        with store.write(lock(), 0) as writer:
            writer.settle(put(*(record(f"s{number}") for number in range(200))))
            writer.begin(RUN)
            writer.intend([intent(f"s{number}") for number in range(300)])
            if disk:
                fill(disk)
            writer.settle(put(*(record(f"s{number}", state="stopped") for number in range(300))))
            if disk:
                with pytest.raises(StateError, match="is full; nothing more is started"):
                    writer.intend([intent("more")])
            writer.finish("failed")
        state = store.load()
        assert (state.serial, len(state.records)) == (2, 300)
        assert {each.state for each in state.records.values()} == {"stopped"}
        assert (store.pending(), store.holder(), store.runs()[0].outcome) == ((), None, "failed")
        assert store.verify() == []
        assert not list(folder.glob("*reserve"))

    def test_a_run_does_not_start_on_a_full_disk(self, disk: Path | None) -> None:
        if disk is None:
            return self.test_a_file_that_may_not_grow()
        store = SqliteStore(disk / "state.db")
        with store.write(lock(), 0) as writer:
            writer.settle(put(record("a")))
        fill(disk)
        with pytest.raises(StateError, match=r"full|No space"), store.write(lock(), 0) as writer:
            writer.begin(RUN)
        (disk / "filler").unlink()
        assert (len(store.load().records), store.runs(), store.verify()) == (1, (), [])
        assert not list(disk.glob("*reserve"))
        return None

    def test_an_intent_without_room_for_its_outcome_is_refused(self, disk: Path | None) -> None:
        if disk is None:
            return self.test_a_file_that_may_not_grow()
        store = SqliteStore(disk / "state.db")
        with store.write(lock(), 0) as writer:
            writer.begin(RUN)
            writer.intend([intent("a")])
            with pytest.raises(StateError, match="No space"):
                writer.intend([intent(str(number)) for number in range(1000)])
            fill(disk)
            assert writer.settle(put(record("a"))) == 1, "what was set aside before is still there"
            writer.finish("failed")
        assert (store.pending(), store.verify()) == ((), [])
        return None

    def test_a_file_that_may_not_grow(self) -> None:
        with self.open().write(lock(), 0) as writer:
            writer.settle(put(*(record(f"s{number}") for number in range(200))))
        before = self.open().load()
        script = """
            with store.write(lock("full")._replace(pid=os.getpid()), 0) as writer:
                writer.begin(RUN)
                writer.intend([intent("more")])
                place = str(store.path)
                resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(place) + 40000,) * 2)
                try:
                    writer.settle(put(*(record(f"more-{n}") for n in range(5000))))
                except StateError as error:
                    print(error)
                try:
                    writer.intend([intent("again")])
                except StateError as error:
                    print(error)
                writer.settle(put(record("more")))
        """
        script = script.replace("str(store.path)", repr(str(self.path)))
        with self.child(script) as process:
            said, again = process.communicate()[0].splitlines()
        assert process.returncode == 0
        assert said == f"The state {self.path} cannot be written: the disk is full, over its quota, or broken."
        assert "nothing more is started" in again
        state = self.open().load()
        assert set(state.records) == {*before.records, "service/more"}
        assert (self.open().holder(), self.open().verify()) == (None, [])
