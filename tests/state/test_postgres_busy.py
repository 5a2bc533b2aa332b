"""The first connection to a server that takes none just now."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from state.postgres_proxies import Proxy, pump, read_startup
from state.postgres_server import PostgresServer, postgres_server, postgres_url
from store_values import lock, put, record

from reconciler.ports import StateError
from reconciler.state import postgres
from reconciler.state.postgres import PostgresConnector, open_store

__all__ = ["postgres_server", "postgres_url"]

STARTING = ("57P03", "the database system is starting up")
WRONG = ("28P01", 'password authentication failed for user "ureg"')


class Reluctant(Proxy):
    """Refuses the first `times` clients as a server does, with `refusal`, and passes on what the others say."""

    def __init__(self, server: PostgresServer, refusal: tuple[str, str], times: int) -> None:
        super().__init__(server)
        code, text = refusal
        fields = f"SFATAL\0VFATAL\0C{code}\0M{text}\0\0".encode()
        self._refusal = b"E" + struct.pack("!i", 4 + len(fields)) + fields
        self._times = times
        self.asked = 0

    def serve(self, client: socket.socket) -> None:
        startup = read_startup(client)
        self.asked += 1
        if self.asked <= self._times:
            client.sendall(self._refusal)
            return
        with self.connect() as server:
            server.sendall(startup)
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            pump(server, client)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_PAUSE", 0.01)


@pytest.mark.usefixtures("hasty")
def test_a_server_that_is_starting_is_waited_for(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    with Reluctant(postgres_server, STARTING, times=3) as proxy:
        store = open_store(proxy.url(postgres_url), tmp_path)
        with store.write(lock(), 0) as writer:
            assert writer.settle(put(record("a"))) == 1
        assert proxy.asked > 4
    assert set(open_store(postgres_url, tmp_path).load().records) == {"service/a"}


def test_a_server_without_a_free_connection_is_waited_for(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    with ExitStack() as taken:
        with pytest.raises(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(postgres_url.partition("&schema")[0]))
        back = threading.Timer(0.3, taken.pop_all().close)
        back.start()
        assert open_store(postgres_url, tmp_path).load().serial == 0
        back.join()


@pytest.mark.usefixtures("hasty")
def test_a_server_that_keeps_starting_is_given_up(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_PATIENCE", 0.2)
    started = time.monotonic()
    with (
        Reluctant(postgres_server, STARTING, times=10_000) as proxy,
        pytest.raises(StateError, match=r"cannot be reached.*starting up"),
    ):
        PostgresConnector(proxy.url(postgres_url)).read()
    assert time.monotonic() - started < 5
    assert proxy.asked > 2


def test_a_refusal_that_will_not_pass_is_told_at_once(postgres_server: PostgresServer, postgres_url: str) -> None:
    with (
        Reluctant(postgres_server, WRONG, times=10_000) as proxy,
        pytest.raises(StateError, match="password authentication failed"),
    ):
        PostgresConnector(proxy.url(postgres_url)).read()
    assert proxy.asked == 1
