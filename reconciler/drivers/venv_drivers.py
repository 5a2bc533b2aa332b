"""Lets active plugins bring drivers, where the settings trust them by their address.

A trusted plugin's modules are put at the end of the path from which this program imports, and its entry points are
then found like those of any installed package. It runs in this program, with all that this program may do, and it
shares its modules: what both have is this program's, in this program's version. It must be installed for the same
Python. A plugin that is activated or upgraded brings its driver to the next run of this program, not to this one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from reconciler.drivers.atomic import open_folder
from reconciler.drivers.loading import GROUP
from reconciler.drivers.names import file_name
from reconciler.drivers.venv_environment import Installed, current
from reconciler.drivers.venv_links import PLUGINS, read_entry_points
from reconciler.model.address import Address


def admit(run: Path, trusted: Iterable[Address]) -> None:
    """Makes the drivers of the `trusted` plugins that are active below `run` importable. Runs nothing of theirs. Raises
    OSError, also where a symbolic link stands in a folder's place."""
    active = _active(run)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    for address in trusted:
        installed = active.get(address)
        if installed and installed.receipt.python == python and _drivers(installed):
            modules = str(installed.path / installed.receipt.site)
            if modules not in sys.path:
                sys.path.append(modules)


def bringing(run: Path, driver: str) -> list[Address]:
    """The active plugins that have a driver of this name, trusted or not."""
    return [address for address, installed in _active(run).items() if driver in _drivers(installed)]


def _active(run: Path) -> dict[Address, Installed]:
    with open_folder(run / PLUGINS):  # refuses links on the way
        found = ((address, current(run / PLUGINS / file_name(address))) for address in read_entry_points(run))
        return {address: installed for address, installed in found if installed}


def _drivers(installed: Installed) -> list[str]:
    return [name for group, name, _ in installed.receipt.entry_points if group == GROUP]
