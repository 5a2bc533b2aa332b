"""The daemon's HTTP listener: a table of routes, served by the standard library under tight limits.

One request a connection. Each has so many bytes and seconds, and there are only so many at once: whoever is slow or
large is cut off, and costs a thread for a moment.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_MOST_HEAD = 16 << 10
_PIECE = 64 << 10
_MOST_CONNECTIONS = 32
_SECONDS = 10.0
_POLL = 0.5
_LONGEST_END = 2.0


class Request(NamedTuple):
    """`headers` have names in lower case; of one that is there twice the values are joined by ", ". `peer` is the other
    end's address."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str


class Response(NamedTuple):
    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = {}


class Route(NamedTuple):
    """`answer` may be called from several threads at once. A body may have `most_bytes`."""

    answer: Callable[[Request], Response]
    most_bytes: int = 0


Routes = Mapping[tuple[str, str], Route]
"""By method and path, such as ("GET", "/healthz")."""

Say = Callable[[str], None]
"""Takes a line for the log."""


class Listener:
    """Serves `routes` on `host` and `port` from `start` to `stop`; a port of 0 takes a free one. Opening it raises
    OSError. `seconds` is how long a request may take to arrive, and again its answer to leave."""

    def __init__(self, host: str, port: int, routes: Routes, say: Say, seconds: float = _SECONDS) -> None:
        self._server = _Server(host, port, routes, say, seconds)
        self._thread: Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL,), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Takes no more connections, and returns once the last answers are out, or after two seconds."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.shutdown()
            thread.join()
            self._server.drain(_LONGEST_END)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, host: str, port: int, routes: Routes, say: Say, seconds: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.routes = routes
        self.say = say
        self.seconds = seconds
        self._free = BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without the look-up of our own name that the base class does, which may take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What broke off is nothing to tell of; the default prints a traceback."""

    def drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for _ in range(_MOST_CONNECTIONS):
            self._free.acquire(timeout=max(deadline - time.monotonic(), 0))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "ureg"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Inflow(self.connection, self.server.seconds, self._most_bytes()))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, *args: Any) -> None:
        """Requests are not logged: their paths and headers are strangers' words."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses is answered plainly, without repeating what came in."""
        self._send(Response(code, b"This is no request that can be answered.\n"))

    def _most_bytes(self) -> int:
        return _MOST_HEAD + max((route.most_bytes for route in self.server.routes.values()), default=0)

    def _serve(self) -> None:
        answer = self._answer()
        self._send(answer)
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            self._discard()

    def _answer(self) -> Response:
        path, query = urlsplit(f"//host{self.path}")[2:4] if self.path.startswith("/") else ("", "")
        route = self._route(path)
        if isinstance(route, Response):
            return route
        body = self._body(route.most_bytes)
        if isinstance(body, Response):
            return body
        names = dict.fromkeys(name.lower() for name in self.headers)
        headers = {name: ", ".join(self.headers.get_all(name, [])) for name in names}
        try:
            return route.answer(Request(self.command, path, query, headers, body, str(self.client_address[0])))
        except Exception as error:  # noqa: BLE001 - one bad answer does not end the listener
            self.server.say(f"{self.command} {path} failed: {type(error).__name__}: {error}")
            return Response(500, b"Something went wrong here. The log says what.\n")

    def _route(self, path: str) -> Route | Response:
        routes = self.server.routes
        method = "GET" if self.command == "HEAD" else self.command
        if (method, path) in routes:
            return routes[method, path]
        methods = [known for known, place in routes if place == path]
        if methods:
            return Response(405, b"Not by this method.\n", headers={"Allow": ", ".join(sorted(methods))})
        return Response(404, b"There is nothing here.\n")

    def _body(self, most: int) -> bytes | Response:
        lengths = self.headers.get_all("content-length", [])
        if "transfer-encoding" in self.headers or (not lengths and self.command == "POST"):
            return Response(411, b"Say how long the body is, by Content-Length.\n")
        length = lengths[0].strip() if lengths else "0"
        if len(lengths) > 1 or not (length.isascii() and length.isdigit()):
            return Response(400, b"The Content-Length is no number.\n")
        if len(length) > len(str(most)) + 1 or int(length) > most:
            return Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have {most} bytes here.\n".encode())
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else Response(400, b"The body ends before its length.\n")

    def _discard(self) -> None:
        """Takes what still comes, within the limits: a connection closed before is reset, and the answer lost."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self.rfile.read(_PIECE):
                pass

    def _send(self, response: Response) -> None:
        self.connection.settimeout(self.server.seconds)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


class _Inflow(io.RawIOBase):
    """Reads a socket until so many seconds or bytes have passed, whichever way they come."""

    def __init__(self, connection: socket.socket, seconds: float, most: int) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0 or self._left <= 0:
            raise TimeoutError("the request took too long, or too much")
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        self._left -= count
        return count
