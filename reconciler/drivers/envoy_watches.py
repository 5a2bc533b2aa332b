"""How many files an Envoy can watch. Each takes an inotify instance, of which the kernel gives a user only so many, and
an Envoy that gets none aborts: so it is counted before it is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from reconciler.drivers.envoy_life import Refused

_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_OWN = 8
"""What an Envoy watches beside its endpoints, and some to spare for what others start meanwhile."""
_FEW = 32
"""So many services always go; for more of them, the instances in use are counted."""


def check_watches(services: int, running: Callable[[], frozenset[int]]) -> None:
    """Raises Refused where an Envoy could not follow the endpoints of so many services. `running` tells the processes
    whose place it takes."""
    if services <= _FEW:
        return
    with suppress(OSError, ValueError):  # no such limit
        limit = int(_LIMIT.read_text(encoding="ascii"))
        room = limit - sum(_instances(running())) - _OWN
        if services > room:
            raise Refused(
                f"The mesh would lead to {services} services, and Envoy can follow {max(room, 0)} here, because each "
                "takes one of the inotify instances that the system gives a user. Raise the number: "
                f"sysctl -w fs.inotify.max_user_instances={2 * (limit + services)}"
            )


def _instances(without: frozenset[int]) -> Iterator[int]:
    """How many each process of this user has."""
    user = os.geteuid()
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and int(process.name) not in without and process.stat().st_uid == user:
                yield sum(_is_instance(descriptor) for descriptor in (process / "fd").iterdir())


def _is_instance(descriptor: Path) -> bool:
    with suppress(OSError):
        return str(descriptor.readlink()) == "anon_inode:inotify"
    return False
