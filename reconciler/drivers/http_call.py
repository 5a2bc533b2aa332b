"""One call of a service over HTTP: within a time, without following redirects, with an answer of limited size, and
tried again where that can do no harm."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, create_connection, socket
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from reconciler.drivers.protocol import MOST_BYTES, Failed

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from ssl import SSLContext

_CHUNK = 64 * 1024
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
BUSY = frozenset({429, 502, 503, 504})
"""The answers after which the same call may go well a little later."""


class Request(NamedTuple):
    """`body` is None for none. All calls may be repeated: what changes something carries an idempotency key."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Answer(NamedTuple):
    """`pause` is how long, in seconds, the service asks to be left alone."""

    status: int
    reason: str
    body: bytes
    location: str = ""
    pause: float = 0.0


class _Late(Exception):
    """The time of a call is over."""


def call(request: Request, seconds: float, retries: int, tls: SSLContext | None) -> Answer:
    """The answer to `request`. One that says that the service is busy, and no answer at all, is tried again `retries`
    times as long as `seconds` allow. Raises Failed where there is none."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    for left in range(retries, -1, -1):
        try:
            answer = _once(request, deadline, tls)
            pause = max(pause, min(answer.pause, _LONGEST_PAUSE))
            if answer.status not in BUSY or not left or time.monotonic() + pause > deadline:
                return answer
        except _Late:
            raise _late(request, seconds) from None
        except Failed:
            if not left or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause *= 2
    raise AssertionError("unreachable")


def lines(request: Request, seconds: float, tls: SSLContext | None) -> Iterator[bytes]:
    """The lines of the answer as they come, for as long as they are asked for; `seconds` is how long its head may take.
    Raises Failed."""
    try:
        with (
            _connected(request, seconds) as line,
            _watched(line, seconds),
            _exchange(line, request, tls) as (response, channel),
        ):
            if not is_good(response.status):
                raise Failed(f"{_shown(request)} was answered with {response.status} {response.reason}")
            channel.settimeout(None)
            line.released = True
            while data := response.readline(MOST_BYTES):
                yield data
    except _Late:
        raise _late(request, seconds) from None


def is_good(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own


def _once(request: Request, deadline: float, tls: SSLContext | None) -> Answer:
    """Raises Failed and _Late."""
    left = deadline - time.monotonic()
    with (
        _connected(request, left) as line,
        _watched(line, left),
        _exchange(line, request, tls) as (response, _),
    ):
        body = bytearray()
        while data := response.read1(min(_CHUNK, MOST_BYTES + 1 - len(body))):
            body += data
        location = response.getheader("Location", "")
        return Answer(response.status, response.reason, bytes(body), location, _pause(response))


@contextmanager
def _connected(request: Request, seconds: float) -> Iterator[_Line]:
    """A connection for `request`. What goes wrong with it inside becomes Failed or _Late."""
    from http.client import HTTPException

    if seconds <= 0:
        raise _Late
    parts = urlsplit(request.url)
    line = None
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        line = _Line(create_connection((parts.hostname, port), seconds))
        yield line
    except TimeoutError:
        raise _Late from None
    except (OSError, HTTPException, ValueError, OverflowError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Failed(f"{_shown(request)}: {words}") from None
    finally:
        if line is not None:
            line.close()


class _Line:
    """A connection, and a second handle of it by which it can be cut whatever has become of the first."""

    def __init__(self, channel: socket) -> None:
        self.channel = channel
        self._handle = channel.dup()
        self.released = False
        self.was_cut = False

    def cut(self) -> None:
        if not self.released:
            self.was_cut = True
            with suppress(OSError):
                self._handle.shutdown(SHUT_RDWR)

    def close(self) -> None:
        self.channel.close()
        self._handle.close()


@contextmanager
def _watched(line: _Line, seconds: float) -> Iterator[None]:
    """Cuts `line` after `seconds`, unless it was released by then: a socket's own timeout only holds for the time from
    one byte to the next. Raises _Late when it had to."""
    from threading import Timer

    timer = Timer(seconds, line.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if line.was_cut:
            raise _Late from None
        raise
    finally:
        timer.cancel()
    if line.was_cut:
        raise _Late


@contextmanager
def _exchange(line: _Line, request: Request, tls: SSLContext | None) -> Iterator[tuple[HTTPResponse, socket]]:
    """Sends `request`: the answer as far as its head, and the channel that the rest comes by."""
    from http.client import HTTPConnection, HTTPSConnection

    parts = urlsplit(request.url)
    host = parts.hostname or ""
    connection = HTTPSConnection(host, parts.port, context=tls) if tls else HTTPConnection(host, parts.port)
    channel = tls.wrap_socket(line.channel, server_hostname=host) if tls else line.channel
    connection.sock = channel
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        connection.request(request.method, target, request.body, dict(request.headers))
        with connection.getresponse() as response:
            yield response, channel
    finally:
        connection.close()


def _pause(response: HTTPResponse) -> float:
    asked = response.getheader("Retry-After", "")
    return float(asked) if asked.isdecimal() and len(asked) < 10 else 0.0  # noqa: PLR2004 - a date, or nonsense


def _late(request: Request, seconds: float) -> Failed:
    return Failed(f"{_shown(request)} did not answer within {seconds:g} s")


def _shown(request: Request) -> str:
    """The call as messages have it, without a query, which may hold more than a stranger should see."""
    return f"{request.method} {request.url.partition('?')[0]}"
