from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from state.postgres_proxies import Cutter
from state.postgres_server import LOCKED_OUT, PASSWORD, PostgresServer, database, postgres_server, postgres_url

from reconciler.model.history import Intent, LockInfo, Run
from reconciler.model.record import Record, Status
from reconciler.ports import StateError, StateWriter, Write
from reconciler.state.connection import Damaged, NoSpace
from reconciler.state.postgres import PostgresConnector, open_store
from reconciler.state.postgres_bulk import encode, run_many
from reconciler.state.postgres_connection import VERSION, PostgresConnection
from reconciler.state.postgres_url import has_password, is_url, place, target
from reconciler.state.queries import migrations, queries
from reconciler.state.rows import Meta, record_row
from reconciler.state.store import SqlStore

__all__ = ["postgres_server", "postgres_url"]

RUN = Run("run-1", "apply", "ada@laptop", "c" * 40, "t" * 40)
PATIENCE = 10.0


def record(name: str, state: str = "running") -> Record:
    return Record(f"service/{name}", "Service", state, Status.OK, "f" * 32, b"{}", b"[]", f"{name}.yaml:1", "c" * 40)


def write(each: Record) -> Write:
    return Write(each.address, each, "start")


def info(name: str = "one", pid: int = 0) -> LockInfo:
    return LockInfo(name, "apply", f"ada@{os.uname().nodename}", pid or os.getpid())


def intent(each: Record) -> Intent:
    return Intent(f"key-{each.address}", each.address, "start", "absent", "running", 1, None, each)


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> SqlStore:
    return open_store(postgres_url, tmp_path / "backups", PATIENCE)


@pytest.fixture
def connection(postgres_url: str) -> Iterator[PostgresConnection]:
    connector = PostgresConnector(postgres_url, PATIENCE)
    connector.prepare()
    with closing(connector.write()) as opened:
        yield opened


# Making and opening


def test_the_newest_migration_is_the_version_of_the_layout() -> None:
    assert max(number for number, _ in migrations("postgresql")) == VERSION


def test_a_reader_makes_nothing(store: SqlStore, postgres_server: PostgresServer, postgres_url: str) -> None:
    assert store.load().serial == 0
    assert store.holder() is None
    assert postgres_server.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'ureg'", database(postgres_url)) == []


def test_registries_share_a_database(postgres_url: str, tmp_path: Path) -> None:
    shop, books = (open_store(f"{postgres_url}&schema={name}", tmp_path / name) for name in ("shop", "books"))
    with shop.write(info(), 0) as one, books.write(info(), 0) as other:
        one.settle([write(record("a"))])
        other.settle([write(record("b"))])
    assert set(shop.load().records) == {"service/a"}
    assert set(books.load().records) == {"service/b"}


def test_a_schema_that_was_made_for_us_is_taken(
    store: SqlStore, postgres_server: PostgresServer, postgres_url: str
) -> None:
    postgres_server.execute("CREATE SCHEMA ureg", database(postgres_url))
    with store.write(info(), 0) as writer:
        assert writer.settle([write(record("a"))]) == 1


def test_the_schema_of_another_program_is_left_alone(
    store: SqlStore, postgres_server: PostgresServer, postgres_url: str
) -> None:
    postgres_server.execute("CREATE SCHEMA ureg CREATE TABLE record (id int)", database(postgres_url))
    with pytest.raises(StateError, match=r"belongs to another program.*\?schema="), store.write(info(), 0):
        pass
    tables = postgres_server.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'ureg'", database(postgres_url)
    )
    assert tables == [("record",)]


def test_programs_that_make_the_state_at_once(postgres_url: str) -> None:
    barrier = threading.Barrier(8)

    def prepare(_: int) -> None:
        connector = PostgresConnector(postgres_url)
        barrier.wait()
        connector.prepare()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prepare, range(8)))
    with psycopg.connect(postgres_url) as raw:
        assert raw.execute("SELECT version FROM ureg.layout").fetchall() == [(VERSION,)]


def test_a_newer_layout_is_refused(store: SqlStore, postgres_server: PostgresServer, postgres_url: str) -> None:
    with store.write(info(), 0) as writer:
        writer.settle([write(record("a"))])
        postgres_server.execute(f"UPDATE ureg.layout SET version = {VERSION + 1}", database(postgres_url))
        with pytest.raises(StateError, match="newer ureg"):
            writer.settle([write(record("b"))])
        postgres_server.execute(f"UPDATE ureg.layout SET version = {VERSION}", database(postgres_url))
    postgres_server.execute(f"UPDATE ureg.layout SET version = {VERSION + 1}", database(postgres_url))
    with pytest.raises(StateError, match="newer ureg"):
        store.load()
    with pytest.raises(StateError, match="newer ureg"), store.write(info(), 0):
        pass


def test_events_are_only_appended(store: SqlStore, postgres_server: PostgresServer, postgres_url: str) -> None:
    with store.write(info(), 0) as writer:
        writer.settle([write(record("a"))])
    for statement in ("UPDATE ureg.event SET text = ''", "DELETE FROM ureg.event", "TRUNCATE ureg.event"):
        with pytest.raises(psycopg.Error, match="only appended"):
            postgres_server.execute(statement, database(postgres_url))


def test_a_damaged_state_is_set_aside(postgres_url: str) -> None:
    connector = PostgresConnector(postgres_url)
    connector.prepare()
    kept = connector.set_aside()
    assert connector.read() is None
    connector.prepare()
    with psycopg.connect(postgres_url) as raw:
        schemas = {name for (name,) in raw.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ureg%'")}
    assert schemas == {"ureg", kept.removeprefix("the schema ")}


# Bulk


@pytest.mark.parametrize("name", ["put_record", "put_manifest", "delete_record", "append_event"])
def test_many_rows_at_once_are_as_many_rows_one_by_one(connection: PostgresConnection, name: str) -> None:
    records = [record(f"n{number % 40}\t\\N é\n", f"state-{number}") for number in range(60)]
    rows: list[tuple[Any, ...]]
    match name:
        case "put_record":
            rows = [record_row(each) for each in records]
        case "put_manifest":
            rows = [(f"digest-{number % 40}", bytes([number % 40, 0, 92, 10])) for number in range(60)]
        case "delete_record":
            rows = [(each.address,) for each in records]
        case _:
            rows = [(number, *["text"] * 8, number, *["more"] * 3) for number in range(60)]
    table = {"put": "record", "delete": "record", "append": "event"}[name.partition("_")[0]]
    table = "manifest" if name == "put_manifest" else table

    def after(run: Callable[[psycopg.Cursor[Any]], object]) -> list[tuple[Any, ...]]:
        raw = connection._open()
        with raw.transaction(force_rollback=True), raw.cursor() as cursor:
            cursor.execute("SET LOCAL search_path = ureg")
            run_many(cursor, queries("postgresql")["put_record"], [record_row(record("n1")), record_row(record("x"))])
            cursor.execute("INSERT INTO manifest VALUES ('digest-1', 'old')")
            run(cursor)
            return cursor.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall()

    statement = queries("postgresql")[name]
    one_by_one = after(lambda cursor: cursor.executemany(encode(statement), rows))
    assert after(lambda cursor: run_many(cursor, statement, rows)) == one_by_one
    assert len(one_by_one) >= 1


def test_text_that_no_database_can_hold_changes_nothing(store: SqlStore) -> None:
    with store.write(info(), 0) as writer:
        for number, text in enumerate(["a\0b", "\udcff"]):
            for count in (1, 100):
                many = [record(f"{number}-{n}") for n in range(count)]
                bad = [write(each._replace(source=text)) for each in many]
                with pytest.raises(StateError):
                    writer.settle(bad)
        assert writer.settle([write(record("b"))]) == 1
    assert set(store.load().records) == {"service/b"}


# Settings of the server


def test_a_server_with_other_defaults(store: SqlStore, postgres_server: PostgresServer, postgres_url: str) -> None:
    name = database(postgres_url)
    for setting in (
        "synchronous_commit = off",
        "default_transaction_isolation = serializable",
        "default_transaction_read_only = on",
        "timezone = 'Asia/Tokyo'",
        "bytea_output = escape",
        "search_path = pg_catalog",
    ):
        if "read_only" not in setting:
            postgres_server.execute(f"ALTER DATABASE {name} SET {setting}")
    with store.write(info(), 0) as writer:
        assert writer.settle([write(record("a"))]) == 1
    assert store.load().records == {"service/a": record("a")._replace(serial=1)}
    connector = PostgresConnector(postgres_url)
    with closing(connector.write()) as connection, connection.writing():
        assert connection._open().execute("SHOW synchronous_commit").fetchall() == [("on",)]


# Lost connections


def run_once(store: SqlStore) -> None:
    """Every kind of write."""
    with store.write(info(), 5) as writer:
        writer.begin(RUN)
        writer.intend([intent(record("a")), intent(record("b"))])
        assert writer.settle([write(record("a"))]) == 1
        assert writer.settle([write(record(f"n{n}")) for n in range(30)]) == 2
        writer.finish("ok")


def log(store: SqlStore) -> list[tuple[str, str, int]]:
    return [(event.verb, event.address, event.serial) for event in store.events()]


@pytest.fixture
def cutter(postgres_server: PostgresServer) -> Iterator[Cutter]:
    with Cutter(postgres_server) as proxy:
        yield proxy


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_connection_breaks_at_every_message(
    cutter: Cutter, postgres_server: PostgresServer, tmp_path: Path, after: bool
) -> None:
    """Until the message at which it is cut is never reached: then all of them were."""
    undisturbed = open_store(postgres_server.new_database(), tmp_path / "undisturbed")
    run_once(undisturbed)
    for at in range(1, 500):
        url = postgres_server.new_database()
        store = open_store(url, tmp_path / str(at))
        store._connector.prepare()
        cutter.arm(at, after=after)
        try:
            run_once(open_store(cutter.url(url), tmp_path / str(at), PATIENCE))
        except StateError as error:  # no program waits for a server that it never reached
            assert "cannot be reached" in str(error)
            assert log(store) == []
            run_once(store)
        assert log(store) == log(undisturbed)
        assert store.verify() == []
        postgres_server.drop(database(url))
        if not cutter.cut:
            break
    assert 60 < at < 500


@pytest.mark.parametrize("method", ["begin", "intend", "settle", "finish"])
def test_the_server_restarts_in_each_call(
    store: SqlStore, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def restart_first(connection: PostgresConnection) -> None:
        monkeypatch.undo()
        postgres_server.restart()
        connection._try_to_commit()

    def armed(writer: StateWriter, *arguments: object) -> object:
        monkeypatch.setattr(PostgresConnection, "_try_to_commit", restart_first)
        return getattr(writer, method)(*arguments)

    with store.write(info(), 0) as writer:
        calls = [("begin", RUN), ("intend", [intent(record("a"))]), ("settle", [write(record("a"))]), ("finish", "ok")]
        for name, argument in calls:
            armed(writer, argument) if name == method else getattr(writer, name)(argument)
    assert log(store) == [("begin", "", 0), ("start", "service/a", 1), ("finish", "", 1)]
    assert store.load().records == {"service/a": record("a")._replace(serial=1)}
    assert not store.pending()


def test_the_server_is_away_between_two_calls(store: SqlStore, postgres_server: PostgresServer) -> None:
    with store.write(info(), 0) as writer:
        writer.settle([write(record("a"))])
        postgres_server.stop()
        back = threading.Timer(0.5, postgres_server.start)
        back.start()
        assert writer.settle([write(record("b"))]) == 2
        back.join()
    assert set(store.load().records) == {"service/a", "service/b"}


def test_a_server_that_stays_away_ends_the_write_in_words(postgres_url: str, postgres_server: PostgresServer) -> None:
    connector = PostgresConnector(postgres_url, 0.3)
    connector.prepare()
    postgres_server.stop()
    try:
        for call in (connector.read, connector.prepare, connector.write):
            with pytest.raises(StateError, match="cannot be reached"):
                call()
    finally:
        postgres_server.start()


def test_a_commit_that_stays_unknown_is_not_called_a_failure(
    connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose() -> None:
        raise psycopg.OperationalError("gone")

    connection._home = connection._home._replace(patience=0.1)
    monkeypatch.setattr(connection, "_try_to_commit", lose)
    with pytest.raises(StateError, match="The next plan shows whether it was done"), connection.writing():
        connection.one("hold_meta")


def test_a_holder_that_was_cut_off_does_not_write_over_its_successor(
    connection: PostgresConnection, store: SqlStore, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with pytest.raises(StateError, match="changed by someone else while"), connection.writing():
        connection.one("hold_meta")
        postgres_server.cut_off(database(postgres_url))
        with store.write(info("two"), 0) as writer:
            writer.settle([write(record("a"))])
        connection.execute("set_meta", (*Meta("mine", 7), 0))
    assert store.load().serial == 1


def test_a_holder_whose_lock_was_taken_over_is_refused(store: SqlStore, postgres_server: PostgresServer) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with store.write(info("one", gone.pid), 0) as old, store.write(info("two"), 0) as new:
        assert new.settle([write(record("a"))]) == 1
        with pytest.raises(StateError, match="was lost to ada"):
            old.settle([write(record("b"))])
        assert new.settle([write(record("c"))]) == 2
    assert set(store.load().records) == {"service/a", "service/c"}
    assert [verb for verb, _, _ in log(store)] == ["takeover", "start", "start"]


def test_a_program_that_stopped_in_a_transaction_holds_nobody_up_for_long(
    connection: PostgresConnection, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.state import postgres_connection

    monkeypatch.setattr(postgres_connection, "_WRITE", postgres_connection._WRITE.replace("'10s'", "'200ms'"))
    with pytest.raises(StateError, match="changed by someone else while"), connection.writing():
        connection.one("hold_meta")
        with store.write(info(), 0) as writer:  # waits for the row until the server ends the other transaction
            assert writer.settle([write(record("a"))]) == 1
        connection.one("load_meta")


@pytest.mark.parametrize("code", ["40001", "40P01", "57P01"])
def test_what_the_server_undid_for_its_own_reasons_is_done_again(connection: PostgresConnection, code: str) -> None:
    failures = iter([True, True, False])

    def step(cursor: psycopg.Cursor[Any]) -> None:
        if next(failures):
            cursor.execute(f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{code}'; END $$".encode())

    with connection.writing():
        connection.execute("put_manifest", ("a", b"body"))
        connection._do("step", step)
    assert connection.one("load_manifest", ("a",)) == (b"body",)
    assert list(failures) == []


# Many at once


def test_twenty_writers(store: SqlStore) -> None:
    def work(number: int) -> int:
        with store.write(info(f"lock-{number}"), 30) as writer:
            return writer.settle([write(record(f"n{number}"))])

    with ThreadPoolExecutor(20) as pool:
        serials = list(pool.map(work, range(20)))
    assert sorted(serials) == list(range(1, 21))
    assert len(store.load().records) == 20
    assert store.verify() == []


def test_twenty_writers_without_a_lock(store: SqlStore) -> None:
    barrier = threading.Barrier(20)
    with store.write(None, 0) as writer:
        writer.settle([write(record("first"))])

    def work(number: int) -> int:
        with store.write(None, 0) as writer:
            barrier.wait()
            try:
                writer.settle([write(record(f"n{number}"))])
            except StateError as error:
                assert "changed by someone else" in str(error)
                return 0
            return 1

    with ThreadPoolExecutor(20) as pool:
        written = sum(pool.map(work, range(20)))
    assert written == 1
    assert (store.load().serial, len(store.load().records)) == (2, 2)


# Words


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", NoSpace, "the disk of its server is full"),
        ("XX001", Damaged, "corrupted data"),
        ("42P01", Damaged, "a table is missing"),
        ("42501", StateError, "is not open to this role"),
        ("25006", StateError, "the server only reads"),
        ("57014", StateError, "cancelled"),
        ("22012", StateError, "cannot be used: what the server says"),
    ],
)
def test_errors_in_words(postgres_url: str, code: str, kind: type[StateError], words: str) -> None:
    connector = PostgresConnector(postgres_url)
    connector.prepare()
    with pytest.raises(kind, match=words) as caught, connector.words(), closing(connector.write()) as connection:
        raw = connection._open()
        raw.execute(f"DO $$ BEGIN RAISE 'what the server says' USING ERRCODE = '{code}'; END $$".encode())
    assert connector.place in str(caught.value)


def test_without_psycopg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StateError, match=r"pip install 'ureg\[postgres\]'"):
        open_store("postgresql://db/registry", tmp_path).load()


SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@localhost:1/registry",
        f"postgresql://ada:{SECRET}@localhost:1/registry?schema=Bad",
        f"postgresql://ada:{SECRET}%2F@localhost:1,localhost:2/registry",
        f"postgresql://ada:{SECRET}/@localhost/registry",
        f"postgresql://ada:{SECRET}?@localhost/registry",
        f"postgresql://ada:x@{SECRET}@localhost/registry",
        f"postgresql://ada:{SECRET}#@localhost/registry",
        f"postgresql://ada:{SECRET}",
        f"postgresql://ada:{SECRET}@localhost:port/registry",
        f"postgresql://ada:{SECRET}@localhost/registry?nonsense=1",
        f"postgresql://ada:{SECRET}%@localhost:1/registry",
        f"postgresql://localhost:1/registry?password={SECRET}",
        f"postgresql://localhost:1/registry?password=x@{SECRET}",
        f"postgresql://localhost:1/registry?user=ada&sslpassword={SECRET}&sslmode=bad",
        f"postgresql://ada:{SECRET}@/registry?host=/nowhere",
        f"postgresql://ada:{SECRET}@[::1]:1/registry",
    ],
)
def test_a_password_is_in_no_error(url: str) -> None:
    connector = PostgresConnector(url)
    for call in (connector.read, connector.write, connector.prepare):
        with pytest.raises(StateError) as caught:
            call()
        error: BaseException | None = caught.value
        while error:
            assert SECRET not in str(error)
            error = error.__cause__ or error.__context__
    assert SECRET not in connector.place


def test_a_wrong_password(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("postgres", f"{LOCKED_OUT}:{SECRET}")
    with pytest.raises(StateError, match="password authentication failed") as caught:
        PostgresConnector(url).read()
    assert SECRET not in str(caught.value)


def test_passwords_come_from_where_libpq_looks(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = database(postgres_server.new_database())
    assert PostgresConnector(postgres_server.url(name, f"{LOCKED_OUT}:{PASSWORD}")).read() is None
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert PostgresConnector(postgres_server.url(name, LOCKED_OUT)).read() is None


def test_there_is_no_such_database(postgres_server: PostgresServer) -> None:
    with pytest.raises(StateError, match=r'cannot be reached: .*database "nowhere" does not exist'):
        PostgresConnector(postgres_server.url("nowhere")).read()


# URLs


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada@db.example.com:5433/registry", "postgresql://db.example.com/registry"),
        ("postgres://one:1,two:2/registry", "postgresql://one,two/registry"),
        ("postgresql://[::1]:5432/registry?schema=shop", "postgresql://[::1]/registry?schema=shop"),
        ("postgresql:///registry?host=%2Fvar%2Frun&schema=ureg", "postgresql:///var/run/registry"),
        ("postgresql://db?dbname=registry&sslmode=require", "postgresql://db/registry"),
        ("postgresql://ada:pass:word@db/registry", "postgresql://db/registry"),
        ("postgresql://ada:pass/word@db/registry", "in PostgreSQL"),
    ],
)
def test_how_a_place_is_shown(url: str, shown: str) -> None:
    assert place(url) == shown


def test_the_schema_is_ours_and_the_rest_is_for_libpq() -> None:
    assert target("postgresql://db/x") == ("postgresql://db/x", "ureg")
    assert target("postgres://db/x?schema=shop") == ("postgres://db/x", "shop")
    assert target("postgresql://db/x?sslmode=require&schema=shop&user=a%20b") == (
        "postgresql://db/x?sslmode=require&user=a%20b",
        "shop",
    )
    for schema in ("", "Shop", "pg_temp", "a-b", 'a"b', "a" * 41, "1a", "%61"):
        with pytest.raises(StateError, match="lower-case name"):
            target(f"postgresql://db/x?schema={schema}")


def test_which_settings_are_urls_and_hold_passwords() -> None:
    assert is_url("postgres://db/x")
    assert not is_url(".ureg/state.db")
    assert has_password("postgresql://ada:word@db/x")
    assert has_password("postgresql://db/x?password=word")
    assert has_password("postgresql://ada:a/b@db/x")
    assert not has_password("postgresql://ada@db:5432/x?passfile=/home/ada/.pgpass")
