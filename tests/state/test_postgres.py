"""The PostgreSQL store: how it is made and opened, what it writes at once, and what it says when something is wrong."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from state.postgres_server import LOCKED_OUT, PASSWORD, PostgresServer, postgres_server, postgres_url
from store_values import intent, lock, put, record

from reconciler.model.settings import is_database
from reconciler.ports import StateError
from reconciler.state.connection import Damaged, NoSpace, Row
from reconciler.state.postgres import PostgresConnector, open_store
from reconciler.state.postgres_bulk import encode, run_many
from reconciler.state.postgres_connection import VERSION, PostgresConnection
from reconciler.state.postgres_url import has_password, place, target
from reconciler.state.queries import migrations, queries
from reconciler.state.rows import intent_row, record_row
from reconciler.state.store import SqlStore

__all__ = ["postgres_server", "postgres_url"]

Sql = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> SqlStore:
    return open_store(postgres_url, tmp_path / "backups")


@pytest.fixture
def connection(postgres_url: str) -> Iterator[PostgresConnection]:
    connector = PostgresConnector(postgres_url)
    connector.prepare()
    with closing(connector.write()) as opened:
        yield opened


@pytest.fixture
def sql(postgres_server: PostgresServer, postgres_url: str) -> Sql:
    """Runs a statement in which OURS stands for the schema of the state."""
    schema = target(postgres_url).schema
    return lambda statement: postgres_server.execute(statement.replace("OURS", schema))


# Making and opening


def test_the_newest_migration_is_the_version_of_the_layout() -> None:
    assert max(number for number, _ in migrations("postgresql")) == VERSION


def test_a_reader_makes_nothing(store: SqlStore, sql: Sql) -> None:
    assert store.load().serial == 0
    assert store.holder() is None
    assert sql("SELECT 1 FROM pg_namespace WHERE nspname = 'OURS'") == []


def test_registries_share_a_database(postgres_server: PostgresServer, tmp_path: Path) -> None:
    urls = (postgres_server.new_schema(), postgres_server.url(schema="user"))  # a reserved word
    shop, books = (open_store(url, tmp_path / str(number)) for number, url in enumerate(urls))
    with shop.write(lock(), 0) as one, books.write(lock(), 0) as other:
        one.settle(put(record("a")))
        other.settle(put(record("b")))
    assert set(shop.load().records) == {"service/a"}
    assert set(books.load().records) == {"service/b"}


def test_a_schema_that_was_made_for_us_is_taken(store: SqlStore, sql: Sql) -> None:
    sql("CREATE SCHEMA OURS")
    with store.write(lock(), 0) as writer:
        assert writer.settle(put(record("a"))) == 1


def test_the_schema_of_another_program_is_left_alone(store: SqlStore, sql: Sql) -> None:
    sql("CREATE SCHEMA OURS CREATE TABLE record (id int)")
    with pytest.raises(StateError, match=r"belongs to another program.*\?schema="), store.write(lock(), 0):
        pass
    assert sql("SELECT tablename FROM pg_tables WHERE schemaname = 'OURS'") == [("record",)]


def test_programs_that_make_the_state_at_once(postgres_url: str, sql: Sql) -> None:
    barrier = threading.Barrier(8)

    def prepare(_: int) -> None:
        connector = PostgresConnector(postgres_url)
        barrier.wait()
        connector.prepare()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prepare, range(8)))
    assert sql("SELECT version FROM OURS.layout") == [(VERSION,)]


def test_a_newer_layout_is_refused(store: SqlStore, sql: Sql) -> None:
    with store.write(lock(), 0) as writer:
        writer.settle(put(record("a")))
        sql(f"UPDATE OURS.layout SET version = {VERSION + 1}")
        with pytest.raises(StateError, match="newer ureg"):
            writer.settle(put(record("b")))
        sql(f"UPDATE OURS.layout SET version = {VERSION}")
    sql(f"UPDATE OURS.layout SET version = {VERSION + 1}")
    with pytest.raises(StateError, match="newer ureg"):
        store.load()
    with pytest.raises(StateError, match="newer ureg"), store.write(lock(), 0):
        pass


def test_events_are_only_appended(store: SqlStore, sql: Sql) -> None:
    with store.write(lock(), 0) as writer:
        writer.settle(put(record("a")))
    for statement in ("UPDATE OURS.event SET text = ''", "DELETE FROM OURS.event", "TRUNCATE OURS.event"):
        with pytest.raises(psycopg.Error, match="only appended"):
            sql(statement)


def test_a_damaged_state_is_set_aside(postgres_url: str, sql: Sql) -> None:
    connector = PostgresConnector(postgres_url)
    connector.prepare()
    kept = connector.set_aside().removeprefix("the schema ")
    assert connector.read() is None
    connector.prepare()
    assert sql(f"SELECT nspname FROM pg_namespace WHERE nspname IN ('OURS', '{kept}') ORDER BY 1") == [
        (target(postgres_url).schema,),
        (kept,),
    ]


def test_a_server_with_other_defaults(postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = postgres_server.new_database()
    for setting in (
        "synchronous_commit = off",
        "default_transaction_isolation = serializable",
        "default_transaction_read_only = on",
        "timezone = 'Asia/Tokyo'",
        "bytea_output = escape",
        "search_path = pg_catalog",
    ):
        postgres_server.execute(f"ALTER DATABASE {postgres_server.database(url)} SET {setting}")
    store = open_store(url, tmp_path)
    with store.write(lock(), 0) as writer:
        assert writer.settle(put(record("a"))) == 1
    assert store.load().records == {"service/a": record("a")._replace(serial=1)}
    with closing(PostgresConnector(url).write()) as connection, connection.writing():
        assert connection._open().execute("SHOW synchronous_commit").fetchall() == [("on",)]


def test_a_role_without_rights_and_one_with_just_enough(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    name = postgres_server.database(url)
    postgres_server.execute("CREATE ROLE humble LOGIN")
    connector = PostgresConnector(postgres_server.url(name, "humble"))
    with pytest.raises(StateError, match="is not open to this role"):
        connector.prepare()
    postgres_server.execute(f"GRANT CREATE ON DATABASE {name} TO humble")
    connector.prepare()
    with closing(connector.write()) as connection, connection.writing():
        assert connection.one("hold_meta")


# Many rows


MANY = {
    "put_record": [record_row(record(f"n{n}\t\\N é\n", state=f"state-{n}")) for n in range(60)],
    "put_manifest": [(f"digest-{n % 40}", bytes([n % 40, 0, 92, 10])) for n in range(60)],
    "put_intent": [intent_row(intent(f"n{n % 40}", attempt=n)) for n in range(60)],
    "delete_record": [(f"service/n{n}",) for n in range(60)],
    "append_event": [(n, *["text"] * 8, n, *["more"] * 3) for n in range(60)],
}


@pytest.mark.parametrize("name", MANY)
def test_many_rows_at_once_are_as_many_rows_one_by_one(connection: PostgresConnection, name: str) -> None:
    statement, rows = queries("postgresql")[name], MANY[name]

    def after(run: Callable[[psycopg.Cursor[Row]], object]) -> list[Row]:
        raw = connection._open()
        with raw.transaction(force_rollback=True), raw.cursor() as cursor:
            cursor.execute(f"SET LOCAL search_path = {connection._home.schema}".encode())
            run_many(cursor, queries("postgresql")["put_record"], [record_row(record("n1")), record_row(record("x"))])
            cursor.execute("INSERT INTO manifest VALUES ('digest-1', 'old')")
            run(cursor)
            tables = ("record", "manifest", "intent", "event")
            return [row for table in tables for row in cursor.execute(f"SELECT * FROM {table} ORDER BY 1".encode())]

    one_by_one = after(lambda cursor: cursor.executemany(encode(statement), rows))
    assert after(lambda cursor: run_many(cursor, statement, rows)) == one_by_one


def test_verifying_takes_few_transactions(store: SqlStore, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.write(lock(), 0) as writer:
        for state in ("running", "stopped"):
            body = [f'{{"{state}": {number}}}'.encode() for number in range(200)]
            writer.settle(put(*(record(f"n{number}", manifest=each) for number, each in enumerate(body))))
    sql("DELETE FROM OURS.manifest")
    begun: list[PostgresConnection] = []
    begin = PostgresConnection._begin_to_read

    def count(connection: PostgresConnection) -> bool:
        begun.append(connection)
        return begin(connection)

    monkeypatch.setattr(PostgresConnection, "_begin_to_read", count)
    assert sum(damage.what == "its manifest is missing" for damage in store.verify()) == 200
    assert len(begun) < 20


def test_text_that_no_database_can_hold_changes_nothing(store: SqlStore) -> None:
    with store.write(lock(), 0) as writer:
        for text in ("a\0b", "\udcff"):
            for count in (1, 100):
                with pytest.raises(StateError):
                    writer.settle(put(*(record(f"n{n}", source=text) for n in range(count))))
        assert writer.settle(put(record("b"))) == 1
    assert set(store.load().records) == {"service/b"}


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
    name = postgres_server.database(postgres_server.new_database())
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
    assert is_database("postgres://db/x")
    assert not is_database(".ureg/state.db")
    assert has_password("postgresql://ada:word@db/x")
    assert has_password("postgresql://db/x?password=word")
    assert has_password("postgresql://ada:a/b@db/x")
    assert not has_password("postgresql://ada@db:5432/x?passfile=/home/ada/.pgpass")
