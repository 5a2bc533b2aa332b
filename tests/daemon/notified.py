"""What stands in systemd's place: a socket that hears what a service says of itself."""

from __future__ import annotations

import socket


class Manager:
    """Listens at `path`, which begins with a zero byte for an abstract socket."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(20)

    def heard(self) -> dict[str, str]:
        lines = self.socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def until(self, name: str) -> dict[str, str]:
        """The next message that tells `name`."""
        while name not in (heard := self.heard()):
            pass
        return heard
