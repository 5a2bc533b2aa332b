"""What this machine tells of its boot and of its processes."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def boot_id() -> str:
    """Names the time since the machine was started, for all its processes; "" where the system has no such name."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


@cache
def process_space() -> str:
    """Names the set of processes that this one belongs to, whose numbers mean the same: this boot of this machine, and
    the container, if there is one; "" where the system does not tell."""
    with suppress(OSError):
        return boot_id() and f"{boot_id()}/{Path('/proc/self/ns/pid').readlink()}"
    return ""


def started(pid: int) -> str:
    """When the process `pid` started: the boot and the kernel's count since, `BOOT/TICKS`. Either may be unknown."""
    return f"{boot_id()}/{_ticks(pid)}"


def is_gone(pid: int, since: str) -> bool:
    """Whether the process that had the number `pid` on this machine, and started at `since`, has provably ended."""
    boot, _, ticks = since.rpartition("/")
    if boot and boot_id() and boot != boot_id():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, TypeError):
        pass  # not ours to signal, or no number of a process
    now = _ticks(pid)
    return bool(ticks and now) and ticks != now


def _ticks(pid: int) -> str:
    """The count of the kernel's clock as the process started; "ended" for one that only waits to be collected, ""
    where the system does not tell."""
    with suppress(OSError, IndexError):
        # The second field is the program's name in brackets and may hold anything, brackets too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "ended" if fields[0] in {"Z", "X"} else fields[19]
    return ""
