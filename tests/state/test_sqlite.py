"""The SQLite store: the contract of every store, its journal, its lock, and its file when things go wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_contract import RUN, StoreContract, lock, put, record, transition

from reconciler.model.record import RecordedState, Status
from reconciler.ports import Locked, StateError, StateStore
from reconciler.state import database
from reconciler.state.lock import process_start
from reconciler.state.queries import migrations, queries
from reconciler.state.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".ureg" / "state.db"


@pytest.fixture
def store(path: Path) -> SqliteStore:
    return SqliteStore(path)


@pytest.fixture
def filled(store: SqliteStore) -> SqliteStore:
    with store.write(lock(), 0) as writer:
        writer.settle(put(*(record(f"s{number:03}") for number in range(200))))
    return store


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(sql).fetchall()
        connection.commit()
        return rows


class TestContract(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, path: Path) -> None:
        self.path = path

    def open(self) -> StateStore:
        return SqliteStore(self.path)


class TestJournal:
    def test_events_runs_and_intents(self, store: SqliteStore, path: Path) -> None:
        with store.write(lock(), 0) as writer:
            writer.begin(RUN)
            writer.intend([transition("a"), transition("b")])
            writer.settle(put(record("a")))
            assert query(path, "SELECT address, key, run FROM intent") == [("service/b", "key-b", "run-1")]
            writer.settle(put(record("a", status=Status.FAILED, error="no")))
            writer.finish("failed")
        first, second = store.events("service/a")
        assert (first.run, first.verb, first.state, first.text, first.serial) == ("run-1", "start", "running", "", 1)
        assert (second.text, second.serial) == ("no", 2)
        (past,) = store.runs()
        assert (past.run, past.outcome) == (RUN, "failed")
        assert past.started <= first.time <= second.time <= past.finished
        assert first.time.endswith("Z")

    def test_it_is_only_appended_to(self, filled: SqliteStore, path: Path) -> None:
        for change in ("UPDATE event SET text = 'x'", "DELETE FROM event"):
            with pytest.raises(sqlite3.IntegrityError, match="only appended"):
                query(path, change)
        assert len(filled.events("service/s000")) == 1

    def test_a_state_that_is_not_there_has_none(self, store: SqliteStore, path: Path) -> None:
        assert (store.events("service/a"), store.runs(), store.holder()) == ((), (), None)
        assert not path.parent.exists()


class TestFile:
    def test_loading_creates_nothing(self, store: SqliteStore, path: Path) -> None:
        store.load()
        assert not path.parent.exists()

    def test_it_is_private(self, filled: SqliteStore, path: Path) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not [file.name for file in path.parent.iterdir() if file.name.endswith(".new")]

    def test_it_is_marked(self, filled: SqliteStore, path: Path) -> None:
        assert query(path, "PRAGMA application_id") == [(database.APPLICATION_ID,)]
        assert query(path, "PRAGMA user_version") == [(database.VERSION,)]

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
        self._is_refused(filled, path, r"newer ureg \(layout 7, this one knows 1\)")

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


def run(script: str, path: Path, *, wait_for: str = "") -> subprocess.Popen[str]:
    """Starts a process that has `store`; returns when it has printed `wait_for`."""
    head = """
        import os, resource, sys, time
        from pathlib import Path
        from store_contract import RUN, lock, put, record, transition
        from reconciler.ports import LockInfo, StateError
        from reconciler.state.sqlite import SqliteStore
        store = SqliteStore(Path(sys.argv[1]))
    """
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout
    while wait_for and process.stdout.readline().strip() != wait_for:
        assert process.poll() is None
    return process


HOLD = """
    with store.write(lock("held"), 0) as writer:
        writer.begin(RUN)
        writer.intend([transition("a")])
        print("held", flush=True)
        time.sleep(60)
"""


class TestProcesses:
    def test_a_live_holder_keeps_the_lock(self, store: SqliteStore, path: Path) -> None:
        with run(HOLD, path, wait_for="held") as process:
            with pytest.raises(Locked) as caught, store.write(lock(), 0.1):
                pass
            process.kill()
        assert caught.value.holder.pid == process.pid
        assert store.holder() == caught.value.holder

    @pytest.mark.parametrize("collected", [True, False])
    def test_the_lock_of_a_dead_holder_is_taken_over(self, store: SqliteStore, path: Path, collected: bool) -> None:
        with run(HOLD, path, wait_for="held") as process:
            process.send_signal(signal.SIGKILL)
            os.waitid(os.P_PID, process.pid, os.WEXITED | (0 if collected else os.WNOWAIT))
            with store.write(lock("next"), 0) as writer:
                assert store.holder() == lock("next")._replace(created=store.holder().created)  # type: ignore[union-attr]
                assert writer.settle(put(record("a"))) == 1
            process.poll()
        (event,) = store.events("")
        assert event.verb == "takeover"
        assert f"process {process.pid}, apply, since 20" in event.text

    def test_a_process_number_that_was_used_again(self, store: SqliteStore, path: Path) -> None:
        with store.write(None, 0):
            pass
        query(path, f"INSERT INTO lock VALUES (1, 'x', 'apply', '{lock().who}', {os.getppid()}, '1', '')")
        with store.write(lock(), 0) as writer:
            assert writer.settle(put(record("a"))) == 1

    @pytest.mark.parametrize(
        ("who", "pid", "started"),
        [
            ("ada@elsewhere", 2**22 + 1, "1"),
            (lock().who, os.getppid(), process_start(os.getppid())),
            (lock().who, os.getppid(), ""),
            (lock().who, 2**70, "1"),
        ],
    )
    def test_a_holder_that_may_be_alive_keeps_the_lock(
        self, store: SqliteStore, path: Path, who: str, pid: int, started: str
    ) -> None:
        with store.write(None, 0):
            pass
        query(path, f"INSERT INTO lock VALUES (1, 'x', 'apply', '{who}', {pid}, '{started}', '')")
        with pytest.raises(Locked), store.write(lock(), 0):
            pass

    def test_a_holder_that_lost_its_lock_cannot_write(self, store: SqliteStore, path: Path) -> None:
        with store.write(lock("slow"), 0) as writer:
            query(path, "UPDATE lock SET holder = 'thief', who = 'eve@elsewhere'")
            with pytest.raises(StateError, match="lost to eve@elsewhere"):
                writer.settle(put(record("a")))
        assert store.load().records == {}
        assert store.holder() is not None, "a lock that is not ours is not given back"

    def test_a_process_killed_in_mid_write_leaves_a_whole_state(self, store: SqliteStore, path: Path) -> None:
        script = """
            with store.write(lock("held"), 0) as writer:
                for number in range(100000):
                    serial = writer.settle(put(*(record(f"{number % 7}-{n}", error=str(number)) for n in range(500))))
                    print(serial, flush=True)
        """
        for _ in range(3):
            with run(script, path) as process:
                assert process.stdout
                acknowledged = max(int(process.stdout.readline()) for _ in range(3))
                process.kill()
                acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
            state = SqliteStore(path).load()
            assert acknowledged <= state.serial <= acknowledged + 1
            newest = [each for each in state.records.values() if each.serial == state.serial]
            assert len(newest) == 500, "a write is there whole or not at all"
            assert len({each.error for each in newest}) == 1

    def test_many_processes_make_one_state(self, store: SqliteStore, path: Path) -> None:
        script = """
            who = lock(str(os.getpid()))._replace(pid=os.getpid())
            with store.write(who, 30) as writer:
                writer.settle(put(record(str(os.getpid()))))
        """
        processes = [run(script, path) for _ in range(3)]
        assert [process.wait(60) for process in processes] == [0] * 3
        for process in processes:
            assert process.stdout
            process.stdout.close()
        state = store.load()
        assert (state.serial, len(state.records)) == (3, 3)

    def test_a_disk_that_takes_no_more(self, filled: SqliteStore, path: Path) -> None:
        before = filled.load()
        script = """
            resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[1]) + 40000,) * 2)
            try:
                with store.write(lock("full"), 0) as writer:
                    writer.settle(put(*(record(f"more-{n}") for n in range(5000))))
            except StateError as error:
                print(error)
        """
        with run(script, path) as process:
            said = process.communicate()[0]
        assert said.startswith(f"The state {path} cannot be ")
        assert "disk" in said
        assert filled.load() == before
        assert filled.holder() is None


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
    def test_the_version_is_that_of_the_newest_migration(self) -> None:
        assert [number for number, _ in migrations()] == list(range(1, database.VERSION + 1))

    def test_every_query_is_named_once_and_described(self) -> None:
        text = (ROOT / "reconciler/state/queries.sql").read_text()
        assert text.count("-- name: ") == len(queries())
        assert text.count("\n-- ") + 1 == 2 * len(queries())
        assert all(sql.endswith(";") and "--" not in sql for sql in queries().values())

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
        assert database.wal_is_safe(version) is safe

    def test_commits_are_synced(self, filled: SqliteStore, path: Path) -> None:
        with closing(database.open_for_writing(path)) as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            mode = "wal" if database.wal_is_safe(sqlite3.sqlite_version_info) else "truncate"
            assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)

    def test_a_reader_cannot_write(self, filled: SqliteStore, path: Path) -> None:
        with (
            closing(database.open_for_reading(path)) as connection,
            pytest.raises(sqlite3.OperationalError, match="readonly"),
        ):
            connection.execute("DELETE FROM record")

    def test_an_empty_state_is_empty(self, store: SqliteStore) -> None:
        with store.write(lock(), 0):
            pass
        assert store.load() == RecordedState("", 0, {})
