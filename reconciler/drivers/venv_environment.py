"""A plugin's folder: its environments, of which `current` names the one in use, its configuration and its log.

    PLUGIN/DIGEST/               an environment; complete when it holds a receipt
    PLUGIN/current -> DIGEST     swapped by a rename, so that there is always one of them
    PLUGIN/configuration.json
    PLUGIN/install.log

An environment cannot be moved, so it is made where it will stay. The one before stays until the next is made: what
still runs from it goes on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from reconciler.drivers.atomic import OWN_PREFIX, File, Refused, open_folder
from reconciler.drivers.venv_package import Package, Unusable
from reconciler.drivers.venv_receipt import Receipt, differences, read_receipt, take_receipt, write_receipt
from reconciler.drivers.venv_run import Job, run_tool
from reconciler.drivers.venv_tools import find_tools

CONFIGURATION = "configuration.json"
LOG = "install.log"
CURRENT = "current"
_SOURCE = f"{OWN_PREFIX}source"
_WHEELS = f"{OWN_PREFIX}wheels"
_PAUSE = 0.05


class Installed(NamedTuple):
    """A complete environment; it need not be the current one."""

    path: Path
    receipt: Receipt


def current(folder: Path) -> Installed | None:
    """The environment in use; None where there is none that is complete. Raises OSError."""
    name = _current_name(folder)
    receipt = read_receipt(folder / name) if name and not (folder / name).is_symlink() else None
    return Installed(folder / name, receipt) if receipt else None


def ensure(folder: Path, package: Package, job: Job) -> Installed:
    """An environment with `package` in it: the current one where that is what is asked for and whole, else a new one.
    Nothing that is in use is touched. Raises Unusable and OSError, and then leaves nothing new."""
    there = current(folder)
    if there and there.receipt.digest == package.digest and not any(differences(*there, thorough=False)):
        return there
    _sweep(folder)
    # The current one may be what was asked for and damaged; the new one needs another name then.
    name = package.digest if _current_name(folder) != package.digest else f"{package.digest}-again"
    job.log.unlink(missing_ok=True)
    try:
        return Installed(folder / name, _make(folder / name, package, job))
    except BaseException:
        _clear(folder / name)
        raise


def use(folder: Path, installed: Installed) -> None:
    """Makes an environment the current one."""
    if _current_name(folder) == installed.path.name:
        return
    temporary = folder / f"{OWN_PREFIX}{CURRENT}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(installed.path.name)
    temporary.replace(folder / CURRENT)


def configuration_of(spec: dict[str, Any]) -> bytes:
    """The file that a plugin reads its settings from."""
    return orjson.dumps(spec.get("configuration", {}), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def write_configuration(folder: Path, spec: dict[str, Any]) -> None:
    wanted = File(configuration_of(spec), 0o644)
    with open_folder(folder) as opened:
        try:
            same = opened.read(CONFIGURATION) == wanted
        except Refused:  # a link or a folder: replaced, if that can be
            same = False
        if not same:
            opened.write(CONFIGURATION, *wanted)


def remove(folder: Path) -> None:
    """Removes everything of a plugin. `current` goes first: what a crash leaves counts as nothing."""
    (folder / CURRENT).unlink(missing_ok=True)
    _clear(folder)


@contextmanager
def locked(folder: Path, deadline: float) -> Iterator[int]:
    """Holds the lock of a folder, made where it is not there, as an open descriptor. A process that inherits it holds
    the lock too: an installer that outlives this program is waited for. Raises Unusable at the deadline."""
    with open_folder(folder, create=True):  # refuses links on the way
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise Unusable("another process is still at work on it: wait for its end, or stop it")
            time.sleep(_PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make(environment: Path, package: Package, job: Job) -> Receipt:
    tools = find_tools()
    run_tool(tools.create(environment), job)
    name, requirement = _provide(environment, package, job)
    run_tool(tools.install(environment, requirement), job)
    _clear(environment / _SOURCE)
    _clear(environment / _WHEELS)
    receipt = take_receipt(environment, package, name)
    write_receipt(environment, receipt)
    return receipt


def _provide(environment: Path, package: Package, job: Job) -> tuple[str, str]:
    """The name of what is to be installed and the requirement that asks for it. Puts the wheel in place, or builds
    it."""
    from packaging.requirements import Requirement
    from packaging.utils import parse_wheel_filename

    if package.requirement:
        return Requirement(package.requirement).name, package.requirement
    source, wheels = environment / _SOURCE, environment / _WHEELS
    _write(source, package)
    wheel = source / package.wheel
    if not package.wheel:
        run_tool(find_tools().build(source, wheels), job)
        wheel = next(wheels.glob("*.whl"))
    name = parse_wheel_filename(wheel.name)[0]
    return name, f"{name} @ {wheel.as_uri()}"


def _write(folder: Path, package: Package) -> None:
    for path, data in package.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def _current_name(folder: Path) -> str:
    try:
        name = os.readlink(folder / CURRENT)  # noqa: PTH115 - the text of the link is wanted
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL):  # the last is no link: nothing of ours
            raise
        return ""
    return name if name not in ("", ".", "..") and "/" not in name else ""


def _sweep(folder: Path) -> None:
    """Removes what a crash left, and the environment before the current one."""
    kept = {_current_name(folder), CURRENT, CONFIGURATION, LOG}
    for entry in list(folder.iterdir()):
        if entry.name not in kept:
            _clear(entry)


def _clear(path: Path) -> None:
    import shutil

    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError):
        shutil.rmtree(path)
