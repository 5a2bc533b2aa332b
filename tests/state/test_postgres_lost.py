"""The PostgreSQL store when the connection, the server or the lock is lost, and when many write at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from state.postgres_proxies import Cutter
from state.postgres_server import PostgresServer, postgres_server, postgres_url
from store_values import RUN, intent, lock, put, record

from reconciler.ports import StateError
from reconciler.state import postgres_connection
from reconciler.state.connection import Row
from reconciler.state.postgres import PostgresConnector, open_store
from reconciler.state.postgres_connection import PostgresConnection
from reconciler.state.postgres_url import target
from reconciler.state.rows import Meta
from reconciler.state.store import SqlStore

__all__ = ["postgres_server", "postgres_url"]

PATIENCE = 10.0


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> SqlStore:
    return open_store(postgres_url, tmp_path / "backups", PATIENCE)


@pytest.fixture
def connection(postgres_url: str) -> Iterator[PostgresConnection]:
    connector = PostgresConnector(postgres_url, PATIENCE)
    connector.prepare()
    with closing(connector.write()) as opened:
        yield opened


def log(store: SqlStore) -> list[tuple[str, str, int]]:
    return [(event.verb, event.address, event.serial) for event in store.events()]


# The connection and the server


def run_once(store: SqlStore) -> None:
    """Every kind of write, the fast ways for many rows included."""
    with store.write(lock(), 5) as writer:
        writer.begin(RUN)
        writer.intend([intent("a"), intent("b")])
        assert writer.settle(put(record("a"))) == 1
        assert writer.settle(put(*(record(f"n{n}") for n in range(30)))) == 2
        writer.finish("ok")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "_FIRST_PAUSE", 0.001)


each_side = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
"""Whether the server never gets the message at which the connection breaks, or only its answer is lost."""


@each_side
@pytest.mark.usefixtures("impatient")
def test_a_transaction_loses_its_connection_at_every_message(postgres_server: PostgresServer, after: bool) -> None:
    rows = [(f"digest-{n}", b"body") for n in range(30)]
    with Cutter(postgres_server) as cutter:
        for at in range(1, 100):
            url = postgres_server.new_schema()
            connector = PostgresConnector(cutter.url(url), PATIENCE)
            connector.prepare()
            with closing(connector.write()) as connection:
                cutter.arm(at, after=after)
                with connection.writing():
                    connection.one("hold_meta")
                    connection.execute("put_manifest", ("digest-2", b"body"))
                    connection.executemany("put_manifest", rows)
                    connection.execute("set_meta", (*Meta("line", at), 0))
                cut = cutter.cut
                count = f"SELECT count(*) FROM {target(url).schema}.manifest"
                assert postgres_server.execute(count) == [(30,)]
                assert connection.one("load_meta") == (*Meta("line", at), 0)
            if not cut:
                break
    assert 8 < at < 100


@each_side
@pytest.mark.usefixtures("impatient")
def test_a_run_loses_its_connection(postgres_server: PostgresServer, tmp_path: Path, after: bool) -> None:
    undisturbed = open_store(postgres_server.new_schema(), tmp_path / "0")
    run_once(undisturbed)
    with Cutter(postgres_server) as cutter:
        for at in range(1, 500, 8):
            url = postgres_server.new_schema()
            store = open_store(url, tmp_path / str(at))
            PostgresConnector(url).prepare()
            cutter.arm(at, after=after)
            try:
                run_once(open_store(cutter.url(url), tmp_path / str(at), PATIENCE))
            except StateError as error:  # nobody waits for a server that was never reached
                assert "cannot be reached" in str(error)
                assert log(store) == []
                run_once(store)
            assert log(store) == log(undisturbed)
            assert store.verify() == []
            if not cutter.cut:
                break
    assert 60 < at < 500


@pytest.mark.parametrize("method", ["begin", "intend", "settle", "finish"])
def test_the_server_restarts_in_each_call(
    store: SqlStore, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    calls: list[tuple[str, object]] = [
        ("begin", RUN),
        ("intend", [intent("a")]),
        ("settle", put(record("a"))),
        ("finish", "ok"),
    ]

    def restart_first(connection: PostgresConnection) -> None:
        monkeypatch.undo()
        postgres_server.restart()
        connection._try_to_commit()

    with store.write(lock(), 0) as writer:
        for name, argument in calls:
            if name == method:
                monkeypatch.setattr(PostgresConnection, "_try_to_commit", restart_first)
            getattr(writer, name)(argument)
    assert log(store) == [("begin", "", 0), ("start", "service/a", 1), ("finish", "", 1)]
    assert store.load().records == {"service/a": record("a", serial=1)}
    assert not store.pending()


def test_the_server_is_away_between_two_calls(store: SqlStore, postgres_server: PostgresServer) -> None:
    with store.write(lock(), 0) as writer:
        writer.settle(put(record("a")))
        postgres_server.stop()
        back = threading.Timer(0.3, postgres_server.start)
        back.start()
        assert writer.settle(put(record("b"))) == 2
        back.join()
    assert set(store.load().records) == {"service/a", "service/b"}


def test_a_server_that_stays_away_is_told_in_words(
    postgres_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    connector = PostgresConnector(postgres_url, 0.3)
    with open_store(postgres_url, tmp_path, 0.3).write(None, 0) as writer:
        postgres_server.stop()
        try:
            for call in (connector.read, connector.prepare, connector.write, lambda: writer.settle(put(record("a")))):
                with pytest.raises(StateError, match="cannot be reached"):
                    call()
        finally:
            postgres_server.start()


def test_a_commit_that_stays_unknown_is_not_called_undone(
    connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose() -> None:
        raise psycopg.OperationalError("gone")

    connection._home = connection._home._replace(patience=0.1)
    monkeypatch.setattr(connection, "_try_to_commit", lose)
    with pytest.raises(StateError, match="The next plan shows whether it was done"), connection.writing():
        connection.one("hold_meta")


@pytest.mark.parametrize("code", ["40001", "40P01", "57P01"])
def test_what_the_server_undid_for_a_reason_of_its_own_is_done_again(connection: PostgresConnection, code: str) -> None:
    failures = iter([True, True, False])

    def step(cursor: psycopg.Cursor[Row]) -> None:
        if next(failures):
            cursor.execute(f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{code}'; END $$".encode())

    with connection.writing():
        connection.execute("put_manifest", ("a", b"body"))
        connection._do("step", step)
    assert connection.one("load_manifest", ("a",)) == (b"body",)
    assert list(failures) == []


def test_a_writer_leaves_nothing_behind(store: SqlStore, postgres_url: str) -> None:
    run_once(store)
    with closing(PostgresConnector(postgres_url).write()) as connection, connection.reading():
        assert connection._open().execute("SELECT count(*) FROM writer").fetchall() == [(0,)]


# The lock


def test_a_holder_that_was_cut_off_does_not_write_over_its_successor(
    connection: PostgresConnection, store: SqlStore, postgres_server: PostgresServer
) -> None:
    with pytest.raises(StateError, match="changed by someone else while"), connection.writing():
        connection.one("hold_meta")
        postgres_server.cut_off("postgres")
        with store.write(lock("two"), 0) as writer:
            writer.settle(put(record("a")))
        connection.execute("set_meta", (*Meta("mine", 7), 0))
    assert store.load().serial == 1


def test_a_holder_whose_lock_was_taken_over_is_refused(store: SqlStore) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with store.write(lock("one")._replace(pid=gone.pid), 0) as old, store.write(lock("two"), 0) as new:
        assert new.settle(put(record("a"))) == 1
        with pytest.raises(StateError, match="was lost to ada"):
            old.settle(put(record("b")))
        assert new.settle(put(record("c"))) == 2
    assert set(store.load().records) == {"service/a", "service/c"}
    assert [verb for verb, _, _ in log(store)] == ["takeover", "start", "start"]


def test_a_program_that_was_stopped_in_a_transaction_holds_nobody_up_for_long(
    connection: PostgresConnection, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "_WRITE", postgres_connection._WRITE.replace("'10s'", "'200ms'"))
    with pytest.raises(StateError, match="changed by someone else while"), connection.writing():
        connection.one("hold_meta")
        with store.write(lock(), 0) as writer:  # waits for the row until the server ends the other transaction
            assert writer.settle(put(record("a"))) == 1
        connection.one("load_meta")


# Many at once


def test_twenty_writers(store: SqlStore) -> None:
    def work(number: int) -> int:
        with store.write(lock(f"lock-{number}"), 60) as writer:
            return writer.settle(put(record(f"n{number}")))

    with ThreadPoolExecutor(20) as pool:
        serials = list(pool.map(work, range(20)))
    assert sorted(serials) == list(range(1, 21))
    assert len(store.load().records) == 20
    assert store.verify() == []


def test_twenty_writers_without_a_lock(store: SqlStore) -> None:
    barrier = threading.Barrier(20)
    with store.write(None, 0) as writer:
        writer.settle(put(record("first")))

    def work(number: int) -> bool:
        with store.write(None, 0) as writer:
            barrier.wait()
            try:
                writer.settle(put(record(f"n{number}")))
            except StateError as error:
                assert "changed by someone else" in str(error)
                return False
            return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(work, range(20))) == 1
    assert (store.load().serial, len(store.load().records)) == (2, 2)
