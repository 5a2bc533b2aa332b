"""Tells systemd how the daemon is: ready, reloading, stopping, and alive, as its protocol for services has it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class ServiceManager:
    """Sends datagrams to the socket that `environment` names, and does nothing where it names none. Nothing raises: a
    manager that does not listen is no reason to end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        place = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with an @ and addressed with a zero byte.
        self._address = f"\0{place[1:]}" if place.startswith("@") else place
        self.watchdog = _watchdog(environment)

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        self._send(f"STATUS={_line(text)}")

    def reloading(self) -> None:
        """To be followed by `ready`."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if self._address.startswith(("/", "\0")):
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(errors="replace"), self._address)


def _watchdog(environment: Mapping[str, str]) -> float:
    """Seconds between two signs of life: half of what the manager waits for. 0 where it waits for none from here."""
    limit, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    mine = pid in {"", str(os.getpid())}
    return int(limit) / 2_000_000 if mine and limit.isascii() and limit.isdecimal() else 0.0


def _line(text: str) -> str:
    return " ".join(text.split())
