"""What is there of a plugin, held against its record. Looks at sizes and times, and reads only the files whose were
changed, so that a hundred plugins cost milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.drivers.names import file_name
from reconciler.drivers.venv_environment import CONFIGURATION, Installed, configuration_of, current
from reconciler.drivers.venv_links import PLUGINS, entry_of, links_of, read_entry_points, read_links, target
from reconciler.drivers.venv_package import Unusable, asked_of, read_package, stamp_of
from reconciler.drivers.venv_receipt import differences
from reconciler.model.address import Address
from reconciler.model.record import Observation, Record, Seen

REGISTERED = "registered"
INSTALLED = "installed"
ACTIVE = "active"
INACTIVE = "inactive"
LINKED = frozenset({ACTIVE, "deprecated"})
"""The states in which a plugin's programs and entry points are to be found."""
UNLINKED = frozenset({INSTALLED, INACTIVE})
_SHOWN = 3


class World(NamedTuple):
    """What all plugins share, read once for all of them."""

    root: Path
    run: Path
    links: Mapping[str, str]
    registered: Mapping[Address, Mapping[str, Any]]


def read_world(root: Path, run: Path) -> World:
    """Raises OSError."""
    return World(root, run, read_links(run), read_entry_points(run))


def look(world: World, record: Record, *, thorough: bool = False) -> Observation | None:
    """What differs from `record`; None where nothing does. Raises OSError."""
    plugin = file_name(record.address)
    installed = current(world.run / PLUGINS / plugin)
    linked = bool(links_of(world.links, plugin)) or record.address in world.registered
    if installed is None:
        if record.state == REGISTERED:
            return None
        gone = Seen("environment", record.state, "gone")
        return _observation(record, REGISTERED, [gone])
    if record.state == REGISTERED:
        there = Seen("environment", "absent", f"{installed.receipt.distribution} {installed.receipt.version}")
        return _observation(record, ACTIVE if linked else INSTALLED, [there])
    seen = list(_differences(world, record, installed, thorough=thorough))
    state = _state(record.state, linked=linked)
    return _observation(record, state, seen) if seen or state != record.state else None


def _state(recorded: str, *, linked: bool) -> str:
    if recorded in LINKED:
        return recorded if linked else INACTIVE
    return ACTIVE if linked else recorded


def _differences(world: World, record: Record, installed: Installed, *, thorough: bool) -> Iterator[Seen]:
    spec = record.body().get("spec", {})
    yield from _request(world.root, asked_of(spec), installed)
    yield from differences(*installed, thorough=thorough)
    if record.state in LINKED:
        yield from _activation(world, record.address, spec, installed)


def _request(root: Path, asked: Mapping[str, Any], installed: Installed) -> Iterator[Seen]:
    receipt = installed.receipt
    if asked["version"] != receipt.asked["version"]:
        yield Seen("spec.version", asked["version"], receipt.version)
    elif asked != receipt.asked:
        yield Seen("spec.package", "as recorded", "another one is installed")
    else:
        yield from _source(root, asked, receipt.stamp, receipt.digest)


def _source(root: Path, asked: Mapping[str, Any], stamp: str, digest: str) -> Iterator[Seen]:
    """Whether the wheel or the source in the repository is still what was installed."""
    field = f"spec.package.{next(iter(asked['package']), 'name')}"
    try:
        if stamp_of(asked, root) != stamp and read_package(asked, root).digest != digest:
            yield Seen(field, "as installed", "changed in the repository")
    except Unusable as error:
        yield Seen(field, "as installed", str(error))


def _activation(world: World, address: Address, spec: dict[str, Any], installed: Installed) -> Iterator[Seen]:
    plugin = file_name(address)
    wanted = {script: target(plugin, script) for script in installed.receipt.scripts}
    for script, link in wanted.items():
        if world.links.get(script) != link:
            yield Seen(f"bin/{script}", "linked", "not linked" if script not in world.links else "another file")
    if world.registered.get(address) != entry_of(plugin, installed.receipt):
        yield Seen("entry points", "registered", "changed" if address in world.registered else "not registered")
    try:
        same = (world.run / PLUGINS / plugin / CONFIGURATION).read_bytes() == configuration_of(spec)
    except FileNotFoundError:
        same = False
    if not same:
        yield Seen("spec.configuration", "as recorded", "changed or missing")


def _observation(record: Record, state: str, seen: Sequence[Seen]) -> Observation:
    words = [f"{each.field}: {each.observed}" for each in seen[:_SHOWN]] or [f"it is {state}"]
    more = f" and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else ""
    return Observation(record.address, state, "; ".join(words) + more, tuple(seen))
