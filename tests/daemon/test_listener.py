"""The HTTP listener, spoken to through real sockets: well, badly, slowly and not at all."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from threading import active_count
from threading import enumerate as threads

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.daemon.http import Listener, Request, Response, Route

SECONDS = 0.5


def echo(request: Request) -> Response:
    return Response(200, request.body, headers={"X-Query": request.query})


def fail(request: Request) -> Response:
    raise RuntimeError("hunter2")


ROUTES = {
    ("GET", "/healthz"): Route(lambda request: Response(200, b"well\n")),
    ("POST", "/echo"): Route(echo, 1000),
    ("GET", "/fail"): Route(fail),
}


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def listener(said: list[str]) -> Iterator[Listener]:
    made = Listener("127.0.0.1", 0, ROUTES, said.append, SECONDS)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def ask(listener: Listener) -> Callable[..., http.client.HTTPResponse]:
    def call(method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(*listener.address, timeout=5)
        connection.request(method, path, body, headers)
        return connection.getresponse()

    return call


def exchange(listener: Listener, data: bytes) -> bytes:
    """What comes back for these bytes, until the other side closes."""
    with socket.create_connection(listener.address, timeout=5) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:
            return b""


Ask = Callable[..., http.client.HTTPResponse]


def test_routes(ask: Ask) -> None:
    assert ask("GET", "/healthz").read() == b"well\n"
    assert ask("HEAD", "/healthz").read() == b""
    answer = ask("POST", "/echo?a=1", b"text")
    assert (answer.read(), answer.headers["X-Query"]) == (b"text", "a=1")
    assert ask("GET", "/nothing").status == 404
    answer = ask("PUT", "/healthz")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


def test_a_bug_is_an_answer_and_a_line_in_the_log(ask: Ask, said: list[str]) -> None:
    answer = ask("GET", "/fail")
    assert answer.status == 500
    assert b"hunter2" not in answer.read()
    assert said[-1] == "GET /fail failed: RuntimeError: hunter2"


def test_bodies_have_a_length_and_a_limit(ask: Ask, listener: Listener) -> None:
    assert ask("POST", "/echo", b"x" * 1000).status == 200
    assert ask("POST", "/echo", b"x" * 1001).status == 413
    head = b"POST /echo HTTP/1.1\r\n"
    assert b" 411 " in exchange(listener, head + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    assert b" 411 " in exchange(listener, head + b"\r\n")
    for length in (b"-1", b"1e3", b"0x1", "²".encode(), b"+4", b""):
        assert b" 400 " in exchange(listener, head + b"Content-Length: %s\r\n\r\nabcd" % length)
    assert b" 400 " in exchange(listener, head + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde")
    assert b" 413 " in exchange(listener, head + b"Content-Length: %s\r\n\r\n" % (b"9" * 5000))
    assert b" 400 " in exchange(listener, head + b"Content-Length: 10\r\n\r\nabcd")


def test_a_slow_head_is_cut_off(listener: Listener) -> None:
    begun = time.monotonic()
    with socket.create_connection(listener.address, timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            while time.monotonic() < begun + 5:
                connection.sendall(b"X: y\r\n")
                time.sleep(0.05)
    assert time.monotonic() - begun < 3 * SECONDS


def test_a_slow_body_and_silence_are_cut_off(listener: Listener) -> None:
    for data in (b"", b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"):
        begun = time.monotonic()
        with socket.create_connection(listener.address, timeout=5) as connection:
            connection.sendall(data)
            assert connection.recv(100) == b""
        assert time.monotonic() - begun < 3 * SECONDS


def test_a_huge_head_is_cut_off(listener: Listener, ask: Ask) -> None:
    for data in (
        b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * 10_000_000),
        b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 1_000_000,
    ):
        assert b"well" not in exchange(listener, data)
    assert ask("GET", "/healthz").status == 200


def test_there_are_only_so_many_connections_at_once(listener: Listener, ask: Ask) -> None:
    before = active_count()
    held = [socket.create_connection(listener.address, timeout=5) for _ in range(100)]
    try:
        time.sleep(0.1)
        assert active_count() - before <= 32
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + 5
    while active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ask("GET", "/healthz").status == 200


HEADS = st.sampled_from(
    [b"", b"GET ", b"POST /echo HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nX: ", b"\x16\x03\x01", b"PRI * HTTP/2.0"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=HEADS, data=st.binary(max_size=300))
def test_whatever_comes_it_stays_up(listener: Listener, ask: Ask, head: bytes, data: bytes) -> None:
    exchange(listener, head + data)
    assert ask("GET", "/healthz").status == 200


def test_it_ends_cleanly_and_gives_the_port_back() -> None:
    begun = time.monotonic()
    made = Listener("127.0.0.1", 0, ROUTES, print)
    made.start()
    address = made.address
    made.stop()
    made.stop()
    assert time.monotonic() - begun < 2
    assert not [thread for thread in threads() if thread.name == "http"][1:]  # but the one of this module
    again = Listener(*address, ROUTES, print)
    again.stop()
    with pytest.raises(ConnectionError):
        socket.create_connection(address, timeout=1).close()


def test_a_port_that_is_taken_is_an_error(listener: Listener) -> None:
    with pytest.raises(OSError, match="in use"):
        Listener(*listener.address, ROUTES, print)
