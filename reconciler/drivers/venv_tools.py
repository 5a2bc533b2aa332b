"""The programs that make environments and fill them: uv, else Python's own venv and pip. Which of them is chosen once.

Every command has fixed options and takes what a manifest says only after `--`. None names a package index: that is for
the settings of whoever runs this program. Only finished wheels are installed, so that nothing of a package runs here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeAlias

from reconciler.drivers.venv_package import Unusable

Command: TypeAlias = list[str]
_SEARCH = Lock()


class Tools(NamedTuple):
    """The commands for what is to be done with the environment in a folder."""

    create: Callable[[Path], Command]
    install: Callable[[Path, str], Command]
    """Installs one requirement and what it needs."""
    build: Callable[[Path, Path], Command]
    """Makes a wheel of the source in one folder, and puts it in another one. Runs the source's own build."""
    check: Callable[[Path], Command]
    """Whether everything installed has what it needs. Ends with an error where something does not."""


def find_tools() -> Tools:
    """The tools of this machine. Raises Unusable where there are none."""
    # Not without a lock: the search reads sysconfig, which several threads must not be the first to do.
    with _SEARCH:
        return _search()


@cache
def _search() -> Tools:
    from importlib.util import find_spec

    uv = _find_uv()
    if not uv and find_spec("pip") is None:
        raise Unusable(
            "there is neither uv nor pip to install packages with: install uv, or ureg with its extra 'plugins'"
        )
    return _uv(uv) if uv else _pip()


def interpreter(environment: Path) -> str:
    return str(environment / "bin/python")


def _find_uv() -> str | None:
    from shutil import which

    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        return which("uv")


def _uv(uv: str) -> Tools:
    python = ["--python", sys.executable, "--no-python-downloads"]

    def install(environment: Path, requirement: str) -> Command:
        # Copied and not linked: a link shares its bytes with uv's cache, and who edits one damages the other.
        only = ["--link-mode", "copy", "--no-build", "--no-sources"]
        return [uv, "pip", "install", "--python", interpreter(environment), *only, "--", requirement]

    return Tools(
        create=lambda environment: [uv, "venv", *python, "--no-project", "--", str(environment)],
        install=install,
        build=lambda source, out: [
            uv,
            "build",
            "--wheel",
            *python,
            "--no-sources",
            f"--out-dir={out}",
            "--",
            str(source),
        ],
        check=lambda environment: [uv, "pip", "check", "--python", interpreter(environment)],
    )


def _pip() -> Tools:
    """Environments get no pip of their own, which takes seconds: the one beside this program serves them all."""

    def pip(environment: Path, verb: str, *rest: str) -> Command:
        own = [sys.executable, "-I", "-m", "pip", "--python", interpreter(environment)]
        return [*own, "--no-input", "--disable-pip-version-check", verb, *rest]

    def build(source: Path, out: Path) -> Command:
        return pip(out.parent, "wheel", "--no-deps", f"--wheel-dir={out}", "--", str(source))

    return Tools(
        create=lambda environment: [sys.executable, "-I", "-m", "venv", "--without-pip", "--", str(environment)],
        install=lambda environment, requirement: pip(environment, "install", "--only-binary=:all:", "--", requirement),
        build=build,
        check=lambda environment: pip(environment, "check"),
    )
