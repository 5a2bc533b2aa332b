"""A real HTTP receiver that answers as it is told and keeps what came."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple


class Got(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """`answers` are the statuses of the next answers, the last one that of all further ones."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[Got] = []
        self.answers = [200]
        self.headers: dict[str, str] = {}
        self.drip = False
        """Answers a byte at a time, without end."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?token=hush"

    def wait(self, count: int, seconds: float = 10) -> list[Got]:
        until(lambda: len(self.got) >= count, seconds)
        return self.got

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is nothing to tell of."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answers = self.server.answers
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.got.append(Got(self.path, headers, body))
        if self.server.drip:
            self._drip()
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self) -> None:
        for _ in range(200):
            self.wfile.write(b"H")
            time.sleep(0.05)

    def log_message(self, *args: Any) -> None:
        return


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    server = Receiver()
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)
