"""What makes a plugin active: its programs, linked into one folder for all, and its entry points, in one file for all.

A link leads through the plugin's `current`, so that an upgrade swaps all of its programs at once, and so that the link
itself says whose it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from reconciler.drivers.atomic import open_folder
from reconciler.drivers.names import file_name
from reconciler.drivers.venv_environment import CONFIGURATION, CURRENT
from reconciler.drivers.venv_package import Unusable
from reconciler.drivers.venv_receipt import Receipt
from reconciler.model.address import Address, parse_address

PLUGINS = "plugins"
PROGRAMS = "bin"
ENTRY_POINTS = "entry-points.json"


def target(plugin: str, script: str) -> str:
    """What the link of a program holds."""
    return f"../{PLUGINS}/{plugin}/{CURRENT}/bin/{script}"


def read_links(run: Path) -> dict[str, str]:
    """What each file in the folder of programs links to; "" for one that is no link. Raises OSError."""
    links = {}
    try:
        with os.scandir(run / PROGRAMS) as entries:
            for entry in entries:
                links[entry.name] = os.readlink(entry.path) if entry.is_symlink() else ""  # noqa: PTH115
    except FileNotFoundError:
        return {}
    return links


def links_of(links: Mapping[str, str], plugin: str) -> set[str]:
    """The programs that are linked for `plugin`."""
    return {script for script, link in links.items() if link.startswith(f"../{PLUGINS}/{plugin}/")}


def refuse_taken(run: Path, plugin: str, scripts: Iterable[str]) -> None:
    """Raises Unusable where a name that the plugin's programs want is someone else's."""
    links = read_links(run)
    own = links_of(links, plugin)
    for script in scripts:
        if script in links and script not in own:
            raise Unusable(_taken(run, script, links[script]))


def link(run: Path, plugin: str, scripts: Iterable[str]) -> None:
    """Links exactly these programs of `plugin`. Raises Unusable for a name that is taken, and OSError."""
    wanted = {script: target(plugin, script) for script in scripts}
    refuse_taken(run, plugin, wanted)
    links = read_links(run)
    with open_folder(run / PROGRAMS, create=bool(wanted)):  # refuses links on the way
        for script in links_of(links, plugin):
            if links[script] != wanted.get(script):
                (run / PROGRAMS / script).unlink(missing_ok=True)
        for script in wanted.keys() - {script for script, each in links.items() if each == wanted.get(script)}:
            (run / PROGRAMS / script).symlink_to(wanted[script])


def read_entry_points(run: Path) -> dict[Address, dict[str, Any]]:
    """What is registered, by plugin; nothing where the file is damaged: it is made anew by the next apply."""
    try:
        plugins = orjson.loads((run / PLUGINS / ENTRY_POINTS).read_bytes())["plugins"]
        for address in plugins:
            parse_address(address)
        return dict(plugins)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def entry_of(plugin: str, receipt: Receipt) -> dict[str, Any]:
    """What is registered of a plugin. Paths start at the folder of the file."""
    groups: dict[str, dict[str, str]] = {}
    for group, name, value in receipt.entry_points:
        groups.setdefault(group, {})[name] = value
    return {
        "distribution": receipt.distribution,
        "version": receipt.version,
        "python": receipt.python,
        "interpreter": f"{plugin}/{CURRENT}/bin/python",
        "modules": f"{plugin}/{CURRENT}/{receipt.site}",
        "configuration": f"{plugin}/{CONFIGURATION}",
        "entryPoints": groups,
    }


def register(run: Path, address: Address, entry: Mapping[str, Any] | None) -> None:
    """Puts the plugin's entry into the file, or takes it out. Writes only where that changes something."""
    plugins = read_entry_points(run)
    if plugins.get(address) == entry:
        return
    plugins.pop(address, None)
    if entry is not None:
        plugins[address] = dict(entry)
    with open_folder(run / PLUGINS) as folder:
        text = orjson.dumps({"plugins": plugins}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        folder.write(ENTRY_POINTS, text + b"\n", 0o644)


def _taken(run: Path, script: str, link: str) -> str:
    up, _, rest = link.partition(f"/{PLUGINS}/")
    plugin = rest.partition("/")[0] if up == ".." else ""
    owner = next((address for address in read_entry_points(run) if file_name(address) == plugin), plugin)
    whose = f"a program of {owner}" if owner else "not managed by ureg"
    return f"{run / PROGRAMS / script} is there and {whose}: remove it, or have only one of them active"
