"""One try of each check, against real and hostile listeners."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from drivers.process.world import free_port

from reconciler.drivers.process_check import check_of
from reconciler.drivers.process_ports import holder
from reconciler.drivers.process_program import Launch
from reconciler.model.units import duration, size

HERE = Launch(["x"], str(Path.cwd()), {"WORD": "said"}, dict(os.environ))


def attempt(probe: dict[str, Any], timeout: str = "2s") -> str:
    return check_of({"probe": probe, "timeout": timeout}, {}, HERE).attempt()


@pytest.fixture
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Listens once, and treats who comes as it is told; gives the port."""
    opened: list[socket.socket] = []

    def listen(treat: Callable[[socket.socket], None]) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)

        def serve() -> None:
            try:
                connection, _ = server.accept()
                with connection:
                    treat(connection)
            except OSError:
                return

        Thread(target=serve, daemon=True).start()
        port: int = server.getsockname()[1]
        return port

    yield listen
    for server in opened:
        server.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.0 302 Found\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "GET /x on port {port} is answered with 404 Not Found"),
        (b"HTTP/1.1 99\r\n", "GET /x on port {port} is answered with 99"),
        (b"SSH-2.0-OpenSSH\r\n", "port {port} does not speak HTTP"),
        (b"", "port {port} does not speak HTTP"),
        (b"x" * 5000, "port {port} does not speak HTTP"),
    ],
)
def test_http(listener: Callable[..., int], answer: bytes, words: str) -> None:
    port = listener(lambda connection: (connection.recv(1000), connection.sendall(answer)))
    found = attempt({"http": {"port": port, "path": "/x"}})
    assert found == words.format(port=port) or (answer.startswith(b"HTTP/1.1 99") and "does not speak HTTP" in found)


def test_an_answer_that_drips_does_not_hold_the_check_up(listener: Callable[..., int]) -> None:
    def drip(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK and on and on":
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    port = listener(drip)
    began = time.monotonic()
    assert attempt({"http": {"port": port}}, "300ms") == f"port {port} does not answer in time"
    assert time.monotonic() - began < 2


def test_tcp(listener: Callable[..., int]) -> None:
    assert attempt({"tcp": {"port": listener(lambda connection: None)}}) == ""
    port = free_port()
    assert attempt({"tcp": {"port": port}}) == f"port {port}: Connection refused"


def test_command() -> None:
    assert attempt({"command": ["sh", "-c", '[ "$WORD" = said ]']}) == ""
    assert attempt({"command": ["sh", "-c", "echo first; echo why >&2; exit 3"]}) == "sh ends with exit code 3: why"
    assert attempt({"command": ["ureg-no-such"]}) == "ureg-no-such: No such file or directory"


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    began = time.monotonic()
    assert (
        attempt({"command": ["sh", "-c", f"(sleep 1; touch {mark}) & sleep 9"]}, "200ms") == "sh does not end in time"
    )
    assert time.monotonic() - began < 2
    time.sleep(1.0)
    assert not mark.exists()


def test_the_ports_are_those_that_the_process_was_told(listener: Callable[..., int]) -> None:
    port = listener(lambda connection: None)
    assert check_of({"probe": {"tcp": {"port": 1}}}, {1: port}, HERE).attempt() == ""


def test_the_holder_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        assert f"(pid {os.getpid()})" in holder(server.getsockname()[1])
        assert f"(pid {os.getpid()})" in holder(bound.getsockname()[1], "udp")
    assert holder(free_port()) == ""


@pytest.mark.parametrize(("text", "value"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("12h", 43200)])
def test_durations(text: str, value: float) -> None:
    assert duration(text) == value


@pytest.mark.parametrize(("text", "value"), [("1Ki", 1024), ("512Mi", 2**29), ("4Gi", 2**32), ("1Ti", 2**40)])
def test_sizes(text: str, value: int) -> None:
    assert size(text) == value
