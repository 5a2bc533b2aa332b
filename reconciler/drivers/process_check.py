"""The checks that say whether a process has started and does its work: one try of an HTTP request, a connection or a
command, with a limit of time that holds whatever the other side does."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from reconciler.drivers.process_program import Launch
from reconciler.model.units import duration

HOST = "127.0.0.1"
_LONGEST_STATUS = 1024
_SHOWN = 200
_GOOD = range(200, 400)


class Check(NamedTuple):
    """A check of a manifest. `budget` is how long a process may take, in seconds, until the first good try."""

    probe: Mapping[str, Any]
    interval: float
    timeout: float
    successes: int
    budget: float
    ports: Mapping[int, int]
    launch: Launch

    def attempt(self) -> str:
        """What is wrong right now, "" where nothing is."""
        ((way, asked),) = self.probe.items()
        deadline = time.monotonic() + self.timeout
        if way == "command":
            return _run(asked, self.launch, self.timeout)
        port = self.ports.get(asked["port"], asked["port"])
        if way == "tcp":
            return _connect(port, deadline)
        return _get(port, asked.get("path", "/"), deadline)


def check_of(spec: Mapping[str, Any], ports: Mapping[int, int], launch: Launch) -> Check:
    """The check that `spec` describes. `ports` maps the numbers in it to those that the process was told."""
    interval, timeout = duration(spec.get("interval", "10s")), duration(spec.get("timeout", "2s"))
    budget = interval * spec.get("failureThreshold", 3) + timeout
    return Check(spec["probe"], interval, timeout, spec.get("successThreshold", 1), budget, ports, launch)


def _connect(port: int, deadline: float) -> str:
    try:
        with _open(port, deadline):
            return ""
    except OSError as error:
        return _words(port, error)


def _get(port: int, path: str, deadline: float) -> str:
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUser-Agent: ureg\r\nConnection: close\r\n\r\n"
    try:
        with _open(port, deadline) as connection:
            connection.sendall(request.encode())
            line = _status_line(connection, deadline)
    except OSError as error:
        return _words(port, error)
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/") or not rest[:3].isdigit():
        return f"port {port} does not speak HTTP"
    if int(rest[:3]) in _GOOD:
        return ""
    return f"GET {path} on port {port} is answered with {rest.decode(errors='replace').strip()[:_SHOWN]}"


def _open(port: int, deadline: float) -> socket.socket:
    return socket.create_connection((HOST, port), _left(deadline))


def _status_line(connection: socket.socket, deadline: float) -> bytes:
    received = b""
    while b"\n" not in received and len(received) < _LONGEST_STATUS:
        connection.settimeout(_left(deadline))
        more = connection.recv(_LONGEST_STATUS)
        if not more:
            break
        received += more
    return received.partition(b"\n")[0]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _words(port: int, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"port {port} does not answer in time"
    return f"port {port}: {error.strerror or error}"


def _run(command: Sequence[str], launch: Launch, timeout: float) -> str:
    """Runs `command` as the process itself runs, and kills all of it when its time is over."""
    import subprocess
    from tempfile import TemporaryFile

    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=launch.directory,
                env={**launch.inherited, **launch.environment},
                user=launch.user or None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            return f"{command[0]}: {error.strerror or error}"
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"{command[0]} does not end in time"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return f"{command[0]} ends with exit code {code}{_last_line(output)}" if code else ""


def _last_line(output: Any) -> str:
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _SHOWN))
    lines = output.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
