"""Finds out before anything starts, or anything old ends, why a program cannot run: all reasons at once."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.drivers.process_ports import holder
from reconciler.drivers.process_program import Launch


def spec_problems(root: Path, spec: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the spec on this machine, without a look at any secret."""
    yield from _user_problems(spec.get("user", ""))
    directory = root / spec.get("workingDirectory", ".")
    if not directory.is_dir():
        yield f"the working directory {spec.get('workingDirectory', directory)} is not there"
    texts = (*spec["command"], *(text for text in spec.get("environment", {}).values() if isinstance(text, str)))
    if any("\0" in text for text in texts):
        yield "the command or the environment holds a NUL character, which no program can be given"
    elif not spec["command"][0]:
        yield "the command's first item is empty: it names the program"
    yield from _limit_problems(spec.get("limits", {}))
    yield from _update_problems(spec)


def launch_problems(launch: Launch) -> Iterator[str]:
    """Why the command of `launch` cannot be run."""
    program = launch.command[0]
    path = {**launch.inherited, **launch.environment}.get("PATH", os.defpath)
    # A name with a slash is looked up from the working directory, as the process itself does it.
    if "/" in program:
        place = Path(launch.directory, program)
        if not place.exists():
            yield f"the command {place} is not there"
        elif not place.is_file() or not os.access(place, os.X_OK):
            yield f"the command {place} cannot be executed"
    elif shutil.which(program, path=path) is None:
        yield f"the command {program} is not found in PATH ({path})"
    if any("\0" in text for text in (*launch.environment.values(), *launch.credentials)):
        yield "a secret holds a NUL character, which no environment can hold"


def port_problems(ports: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """Which ports are taken, and by whom."""
    for name, (port, protocol) in ports.items():
        if taken := holder(port, "udp" if protocol == "udp" else "tcp"):
            yield f"the port {port} ({name}) is taken by {taken}"


def _user_problems(user: str) -> Iterator[str]:
    if not user:
        return
    try:
        other = pwd.getpwnam(user).pw_uid != os.geteuid()
    except KeyError:
        yield f"there is no user {user} on this machine"
        return
    if other and os.geteuid():
        yield f"only root can run a program as {user}"


def _limit_problems(limits: Mapping[str, Any]) -> Iterator[str]:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    asked = limits.get("openFiles", 0)
    if os.geteuid() and hard != resource.RLIM_INFINITY and asked > hard:
        yield f"limits.openFiles is {asked}, and only root can go beyond {hard} here"


def _update_problems(spec: Mapping[str, Any]) -> Iterator[str]:
    update = spec.get("update", {})
    if update.get("strategy") != "blueGreen":
        return
    missing = [port["name"] for port in spec.get("ports", ()) if port["name"] not in update.get("ports", {})]
    if missing:
        yield f"update.ports lacks a second number for {', '.join(missing)}, which blueGreen needs"
