"""Whether a port of this machine is taken, and by whom, as far as /proc tells it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENING, _BOUND = "0A", "07"
_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}


def holder(port: int, protocol: str = "tcp") -> str:
    """Who has taken the port ("nginx (pid 812)"), "" where nobody has."""
    if _is_free(port, protocol):
        return ""
    sockets = set(_sockets(port, protocol))
    with suppress(OSError):
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and sockets & set(_descriptors(process)):
                return f"{_name(process)} (pid {process.name})"
    return "another process"


def _is_free(port: int, protocol: str) -> bool:
    """Tries to take it; the kernel knows at once, where reading its tables takes a while."""
    tcp = protocol == "tcp"
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as trial:
        if tcp:  # connections that ended a moment ago do not count
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _sockets(port: int, protocol: str) -> Iterator[str]:
    """What the descriptors of those that listen on `port` point to."""
    state = _LISTENING if protocol == "tcp" else _BOUND
    for table in _TABLES[protocol]:
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"


def _descriptors(process: Path) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                yield str(descriptor.readlink())


def _name(process: Path) -> str:
    with suppress(OSError):
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return "a process"
