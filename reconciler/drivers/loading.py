"""Finds a driver by its name: a module of this package, else an entry point of another one. Trusted plugins are among
those others: `venv_drivers` has put them where packages are found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from reconciler.drivers.guard import GuardedDriver
from reconciler.drivers.site import NotPermitted, Site
from reconciler.model.address import Address
from reconciler.ports import Driver

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "ureg.drivers"
_PACKAGE = "reconciler.drivers"
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class UnknownDriver(Exception):
    """No driver has this name; `known` are the names that there are, `plugins` those that have it and are not used."""

    def __init__(self, name: str, known: tuple[str, ...], plugins: Sequence[Address] = ()) -> None:
        unused = f". {', '.join(plugins)} brings it, which `drivers.venv.driversFrom` of the settings must name"
        super().__init__(f"there is no driver {name!r}; there are {', '.join(known)}{unused if plugins else ''}")
        self.name = name
        self.known = known


class BrokenDriver(Exception):
    """Another package's driver cannot be loaded; `reason` says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the driver {name!r} cannot be loaded: {reason}")
        self.name = name
        self.reason = reason


def load_driver(name: str, site: Site) -> Driver:
    """The driver `name`, working in `site`. Nothing that it says holds a secret. Raises UnknownDriver, BrokenDriver and
    NotPermitted."""
    base, _, part = name.partition(":")
    module = _built_in(base) or _third_party(base)
    if module is None:
        from reconciler.drivers.venv_drivers import bringing

        raise UnknownDriver(base, known_drivers(), bringing(site.run, base))
    try:
        driver = module.open_driver(site._replace(part=part))
    except NotPermitted:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's function may raise anything
        raise BrokenDriver(name, site.secrets.redact(f"{type(error).__name__}: {error}")) from None
    return GuardedDriver(driver, site.secrets)


def is_built_in(name: str) -> bool:
    """Whether the driver `name` comes with this program."""
    return _built_in(name.partition(":")[0]) is not None


def known_drivers() -> tuple[str, ...]:
    """The names of all drivers, sorted. Imports every built-in one, so it is for messages only."""
    from pkgutil import iter_modules

    folder = Path(__file__).parent
    names = {module.name for module in iter_modules([str(folder)]) if _built_in(module.name)}
    return tuple(sorted(names | _entry_points().names))


def _built_in(name: str) -> ModuleType | None:
    path = f"{_PACKAGE}.{name}"
    if not _NAME.match(name) or find_spec(path) is None:
        return None
    module = import_module(path)
    return module if hasattr(module, "open_driver") else None


def _third_party(name: str) -> ModuleType | None:
    entry = next(iter(_entry_points().select(name=name)), None)
    if entry is None:
        return None
    try:
        module = entry.load()
    except Exception as error:  # a stranger's module may raise anything
        raise BrokenDriver(name, f"{entry.value}: {error}") from error
    if not hasattr(module, "open_driver"):
        raise BrokenDriver(name, f"{entry.value} has no function open_driver")
    return cast("ModuleType", module)


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
