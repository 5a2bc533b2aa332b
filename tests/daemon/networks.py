"""A network between a client and a PostgreSQL server that breaks and is mended."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from state.postgres_proxies import Proxy, pump
from state.postgres_server import PostgresServer


class Network(Proxy):
    """Passes everything on, until it is `cut` (every connection ends, and no new one is made) or swallows what it is
    given (connections stay, and nothing comes back)."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(server)
        self._open = threading.Event()
        self._open.set()
        self._is_cut = False
        self._pairs: set[socket.socket] = set()

    def cut(self) -> None:
        self._is_cut = True
        for peer in list(self._pairs):
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def swallow(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._is_cut = False
        self._open.set()

    def serve(self, client: socket.socket) -> None:
        if self._is_cut:
            return
        with self.connect() as server:
            self._pairs |= {client, server}
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            while data := client.recv(1 << 16):
                if not self._open.is_set():
                    threading.Event().wait()
                server.sendall(data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
