"""Small HTTP servers for an Envoy to lead requests to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

import orjson


class Asked(NamedTuple):
    method: str
    path: str


class Backend:
    """Answers with its name and what it was asked. `status` decides about each request, by its number from 0."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Asked] = []
        self.status: Callable[[int], int] = lambda number: 200
        self.delay = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def backends(*names: str) -> Iterator[list[Backend]]:
    made = [Backend(name) for name in names]
    try:
        yield made
    finally:
        for backend in made:
            backend.close()


def _handler(backend: Backend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in two packets waits for 40 ms

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            number = len(backend.asked)
            backend.asked.append(Asked(self.command, self.path))
            self.rfile.read(int(self.headers.get("content-length") or 0))
            time.sleep(backend.delay)
            body = orjson.dumps({"name": backend.name, "path": self.path})
            self.send_response(backend.status(number))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler
