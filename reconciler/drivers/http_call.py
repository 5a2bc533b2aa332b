"""One call of a service over HTTP: within a time, without following redirects, with an answer of limited size, and
tried again where that can do no harm."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from reconciler.drivers.protocol import MOST_BYTES, Failed

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse
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
    with _opened(request, seconds, tls) as connection:
        try:
            with _watched(connection, seconds):
                response = _sent(connection, request)
        except _Late:
            raise _late(request, seconds) from None
        if not is_good(response.status):
            raise Failed(f"{_shown(request)} was answered with {response.status} {response.reason}")
        connection.timeout = None
        if connection.sock:
            connection.sock.settimeout(None)
        while line := response.readline(MOST_BYTES):
            yield line


def is_good(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own


def _once(request: Request, deadline: float, tls: SSLContext | None) -> Answer:
    """Raises Failed and _Late."""
    left = deadline - time.monotonic()
    with _opened(request, left, tls) as connection, _watched(connection, left):
        response = _sent(connection, request)
        body = bytearray()
        while data := response.read1(min(_CHUNK, MOST_BYTES + 1 - len(body))):
            body += data
        location = response.getheader("Location", "")
        return Answer(response.status, response.reason, bytes(body), location, _pause(response))


def _sent(connection: HTTPConnection, request: Request) -> HTTPResponse:
    parts = urlsplit(request.url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    connection.request(request.method, target, request.body, dict(request.headers))
    return connection.getresponse()


@contextmanager
def _opened(request: Request, seconds: float, tls: SSLContext | None) -> Iterator[HTTPConnection]:
    """A connection for `request`. What goes wrong with it inside becomes Failed or _Late."""
    from http.client import HTTPException

    connection = None
    try:
        connection = _connection(request.url, seconds, tls)
        yield connection
    except TimeoutError:
        raise _Late from None
    except (OSError, HTTPException, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Failed(f"{_shown(request)}: {words}") from None
    finally:
        if connection is not None:
            connection.close()


@contextmanager
def _watched(connection: HTTPConnection, seconds: float) -> Iterator[None]:
    """Cuts `connection` after `seconds`: a timeout of its own only holds for the time between two bytes. Raises _Late
    when it had to."""
    from threading import Timer

    if seconds <= 0:
        raise _Late
    cut: list[bool] = []

    def hang_up() -> None:
        cut.append(True)
        if connection.sock:
            with suppress(OSError):
                connection.sock.shutdown(SHUT_RDWR)

    timer = Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if cut:
            raise _Late from None
        raise
    finally:
        timer.cancel()
    if cut:
        raise _Late


def _connection(url: str, seconds: float, tls: SSLContext | None) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    parts = urlsplit(url)
    if tls is not None:
        return HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds, context=tls)
    return HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)


def _pause(response: HTTPResponse) -> float:
    asked = response.getheader("Retry-After", "")
    return float(asked) if asked.isdecimal() and len(asked) < 10 else 0.0  # noqa: PLR2004 - a date, or nonsense


def _late(request: Request, seconds: float) -> Failed:
    return Failed(f"{_shown(request)} did not answer within {seconds:g} s")


def _shown(request: Request) -> str:
    """The call as messages have it, without a query, which may hold more than a stranger should see."""
    return f"{request.method} {request.url.partition('?')[0]}"
