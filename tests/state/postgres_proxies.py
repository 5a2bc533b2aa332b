"""Stands between a client and a PostgreSQL server, to do what networks and poolers do."""

from __future__ import annotations

import select
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from state.postgres_server import PostgresServer

_PORT = ".s.PGSQL.5432"


class Proxy:
    """Listens as a server would, in a folder of its own, and hands each client to `serve`."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._folder = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        self._listener.bind(str(self._folder / _PORT))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self._folder)

    def url(self, url: str) -> str:
        """The way through this proxy to the database of `url`."""
        return url.replace(str(self._server.folder), str(self._folder))

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def connect(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server.folder / _PORT))
        return server

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._guarded, args=(client,), daemon=True).start()

    def _guarded(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self.serve(client)


class Cutter(Proxy):
    """Passes everything on, until it cuts one connection: instead of the message number `at` (from 1, over all
    connections), or after it, so that the server does what it was told and the client never hears of it."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(server)
        self._lock = threading.Lock()
        self._seen = 0
        self._at = 0
        self._after = False
        self.cut = False

    def arm(self, at: int, *, after: bool) -> None:
        """Counts from here."""
        self._seen, self._at, self._after, self.cut = 0, at, after, False

    def serve(self, client: socket.socket) -> None:
        with self.connect() as server:
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            while data := client.recv(1 << 16):
                with self._lock:
                    self._seen += 1
                    hit = self._seen == self._at
                if hit:
                    self._sever(client, server, data)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _sever(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        self.cut = True
        client.shutdown(socket.SHUT_RDWR)
        if self._after:
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)  # the server does what it was told before it sees the end
            _drain(server)
        server.shutdown(socket.SHUT_RDWR)


class Pooler(Proxy):
    """Gives each transaction a server connection of its own, which nothing outlives: the strictest transaction pool."""

    def serve(self, client: socket.socket) -> None:
        startup = read_startup(client)
        with self.connect() as server:
            server.sendall(startup)
            client.sendall(_until_ready(server))
        waiting = bytearray()
        while waiting or _fill(waiting, client):
            with self.connect() as server:
                server.sendall(startup)
                _until_ready(server)
                if not _transaction(client, server, waiting):
                    return


def _transaction(client: socket.socket, server: socket.socket, waiting: bytearray) -> bool:
    """Passes messages on until the server has answered everything and no transaction is open; False where one of the
    two is gone. `waiting` is what the client sent already."""
    answers = bytearray()
    asked = 0
    while True:
        for message in _messages(waiting):
            if message[:1] == b"X":
                return False
            asked += message[:1] in {b"Q", b"S"}
            server.sendall(message)
        for message in _messages(answers):
            client.sendall(message)
            asked -= message[:1] == b"Z"
            if not asked and message[:1] == b"Z" and message[5:] == b"I":
                return True
        for ready in select.select([client, server], [], [])[0]:
            if not _fill(waiting if ready is client else answers, ready):
                return False


def _messages(buffer: bytearray) -> Iterator[bytes]:
    """Takes the whole messages out of `buffer`: a letter, the length of what follows, and that."""
    while len(buffer) >= 5:
        end = 1 + struct.unpack_from("!i", buffer, 1)[0]
        if len(buffer) < end:
            return
        message = bytes(buffer[:end])
        del buffer[:end]
        yield message


def _fill(buffer: bytearray, peer: socket.socket) -> bool:
    data = peer.recv(1 << 16)
    buffer += data
    return bool(data)


def read_startup(client: socket.socket) -> bytes:
    """The first message, the only one without a letter."""
    buffer = bytearray()
    while len(buffer) < 4 or len(buffer) < struct.unpack_from("!i", buffer)[0]:
        if not _fill(buffer, client):
            raise ConnectionError
    return bytes(buffer)


def _until_ready(server: socket.socket) -> bytes:
    """What the server says to a new client, up to the moment when it takes questions."""
    buffer, said = bytearray(), b""
    while not said.endswith(b"Z\0\0\0\5I"):
        if not _fill(buffer, server):
            raise ConnectionError
        said += b"".join(_messages(buffer))
    return said


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def _drain(peer: socket.socket) -> None:
    with suppress(OSError):
        while peer.recv(1 << 16):
            pass
