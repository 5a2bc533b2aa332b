"""The PostgreSQL store through a proxy that gives each transaction another connection to the server."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from state.postgres_proxies import Pooler
from state.postgres_server import UNPRIVILEGED, PostgresServer, postgres_server
from store_values import RUN, intent, lock, put, record

from reconciler.ports import Locked
from reconciler.state.postgres import open_store
from reconciler.state.store import SqlStore

__all__ = ["postgres_server"]

Reach = Callable[[str], str]
"""Makes the URL of a server the URL through a proxy."""


@contextmanager
def own(server: PostgresServer) -> Iterator[Reach]:
    with Pooler(server) as pooler:
        yield pooler.url


@contextmanager
def pgbouncer(server: PostgresServer) -> Iterator[Reach]:
    folder = server.folder / "pool"
    folder.mkdir()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={server.folder} user=ureg\n"
        f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nlisten_port = 5432\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 4\nserver_reset_query =\n"
    )
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
    command = (*UNPRIVILEGED, "pgbouncer", "-q", str(settings))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/") as process:
        while not (folder / ".s.PGSQL.5432").exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield lambda url: url.replace(str(server.folder), str(folder))
        process.terminate()
    shutil.rmtree(folder)


PROXIES = [own, *([pgbouncer] if shutil.which("pgbouncer") else [])]
"""Our own, which never gives a connection out twice, and the one that most people run, where it is installed."""


@pytest.fixture(params=PROXIES, ids=lambda proxy: proxy.__name__)
def reach(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[Reach]:
    with request.param(postgres_server) as through:
        yield through


@pytest.fixture
def url(reach: Reach, postgres_server: PostgresServer) -> str:
    return reach(postgres_server.new_schema())


@pytest.fixture
def store(url: str, tmp_path: Path) -> SqlStore:
    return open_store(url, tmp_path)


def test_every_transaction_has_another_connection(postgres_server: PostgresServer) -> None:
    """The proxy of ours does what it is for."""
    with Pooler(postgres_server) as pooler, psycopg.connect(pooler.url(postgres_server.url()), autocommit=True) as raw:
        processes = {raw.execute("SELECT pg_backend_pid()").fetchall()[0] for _ in range(5)}
        with raw.transaction():
            within = {raw.execute("SELECT pg_backend_pid()").fetchall()[0] for _ in range(5)}
    assert (len(processes), len(within)) == (5, 1)


def test_a_whole_run(store: SqlStore) -> None:
    names = [f"n{number}" for number in range(100)]
    with store.write(lock(), 0) as writer:
        writer.begin(RUN)
        writer.intend([intent(name) for name in names])
        assert writer.settle(put(*map(record, names))) == 1
        assert writer.settle(put(*(record(name, state="stopped") for name in names[:50]))) == 2
        writer.finish("ok")
    assert len(store.load().records) == 100
    assert [past.outcome for past in store.runs()] == ["ok"]
    assert len(list(store.events())) == 152
    assert store.verify() == []


def test_the_lock_outlives_the_connections(store: SqlStore, url: str, tmp_path: Path) -> None:
    other = open_store(url, tmp_path)
    with store.write(lock("one"), 0) as writer:
        writer.settle(put(record("a")))
        with pytest.raises(Locked) as caught, other.write(lock("two"), 0.2):
            pass
        writer.settle(put(record("b")))
    assert caught.value.holder.info == lock("one")
    with other.write(lock("two"), 0) as writer:
        assert writer.settle(put(record("c"))) == 3


def test_writers_at_once(store: SqlStore) -> None:
    def work(number: int) -> int:
        with store.write(lock(f"lock-{number}"), 60) as writer:
            return writer.settle(put(record(f"n{number}")))

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(8))) == list(range(1, 9))
    assert store.verify() == []


def test_a_restart_of_the_server_behind_the_proxy(store: SqlStore, postgres_server: PostgresServer) -> None:
    with store.write(lock(), 0) as writer:
        writer.settle(put(record("a")))
        postgres_server.restart()
        assert writer.settle(put(record("b"))) == 2
    assert set(store.load().records) == {"service/a", "service/b"}
