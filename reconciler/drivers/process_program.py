"""A program as supervisord is to run it, and the text of the two files that tell it so.

supervisord reads a program file, which holds no text of a manifest: only names made by ureg, numbers and words of a
fixed list. What really runs (command, environment, user, limits) stands in the launch file, and `process_child` becomes
it. A launch file holds kinds and values in turn, each ended by a NUL, which no value can hold: whoever reads it needs
no library for that, and starts sooner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

_INHERITED = "inherited"
_AUTORESTART = {"always": "true", "on-failure": "unexpected", "never": "false"}


class Launch(NamedTuple):
    """What one process is.

    `directory` is absolute. `environment` is all that the process finds beside `inherited`, which is taken over from
    whoever starts it, and of which a difference means nothing. `limits` are `memory` (bytes), `cores`, `openFiles`
    and `processes`. `credentials` become files, by name. `delay` is in seconds. `about` is nothing to the process:
    facts whose change means that something else runs.
    """

    command: Sequence[str]
    directory: str
    environment: Mapping[str, str]
    inherited: Mapping[str, str]
    credentials: Mapping[str, str] = {}
    user: str = ""
    limits: Mapping[str, int] = {}
    delay: float = 0.0
    about: Mapping[str, str] = {}

    def dump(self) -> bytes:
        """The launch file. Credentials are not in it."""
        pairs = [("directory", self.directory), ("user", self.user), ("delay", str(self.delay))]
        pairs += [("argument", argument) for argument in self.command]
        maps = {"environment": self.environment, _INHERITED: self.inherited, "limit": self.limits, "about": self.about}
        pairs += [(kind, f"{key}={value}") for kind, values in maps.items() for key, value in sorted(values.items())]
        # A folder of PATH may have a name that is no text.
        return "".join(f"{kind}\0{value}\0" for kind, value in pairs).encode(errors="surrogateescape")


class Program(NamedTuple):
    """A program under supervisord. `name` is a file's name; times are in seconds, sizes in bytes."""

    name: str
    launch: Launch
    processes: int = 1
    restart: str = "on-failure"
    attempts: int = 3
    stop_signal: str = "TERM"
    stop_timeout: float = 10.0
    log_size: int = 10 * 1024 * 1024
    log_keep: int = 5

    def conf(self) -> str:
        """The program file. It starts nothing by itself: only ureg knows whether what it needs is there."""
        settings = {
            "command": f"./launch {self.name} %(process_num)d",
            "process_name": "%(program_name)s_%(process_num)d",
            "numprocs": self.processes,
            "autostart": "false",
            "autorestart": _AUTORESTART[self.restart],
            "exitcodes": 0,
            # The wait before a new start is spent in the child, and is no sign of life.
            "startsecs": 1 if self.restart == "never" else ceil(self.launch.delay) + 1,
            "startretries": 0 if self.restart == "never" else self.attempts - 1,
            "stopsignal": self.stop_signal,
            "stopwaitsecs": ceil(self.stop_timeout),
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": f"logs/{self.name}_%(process_num)d.log",
            "stdout_logfile_maxbytes": self.log_size,
            "stdout_logfile_backups": self.log_keep,
        }
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        return "".join([f"[program:{self.name}]\n", *lines])


def launch_differences(found: bytes, wanted: Launch) -> list[str]:
    """The kinds of values in which a launch file differs from `wanted`, but for what is only inherited."""
    there, asked = _values(found), _values(wanted.dump())
    return sorted(kind for kind in asked.keys() | there.keys() if kind != _INHERITED and asked[kind] != there[kind])


def _values(data: bytes) -> defaultdict[str, list[bytes]]:
    parts = data.split(b"\0")
    values: defaultdict[str, list[bytes]] = defaultdict(list)
    for kind, value in zip(parts[::2], parts[1::2], strict=False):
        values[kind.decode(errors="replace")].append(value)
    return values
