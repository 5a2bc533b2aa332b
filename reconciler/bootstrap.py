"""Puts a registry together: the only module that names concrete adapters."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from reconciler import __version__
from reconciler.compiler.kinds import load_catalogue
from reconciler.engine.settings import override
from reconciler.model.diagnostics import Diagnostic, Invalid, errors
from reconciler.model.kind import Catalogue
from reconciler.model.settings import Settings
from reconciler.ports import CompileCache, Driver, DriverFor, Source, StateStore
from reconciler.sources.compile_cache import FileCompileCache
from reconciler.sources.worktree import WorkTree
from reconciler.state.sqlite import SqliteStore

SETTINGS_FILE = "ureg.yaml"
SETTINGS_SCHEMA = "settings.schema.json"


class SystemClock:
    """The machine's clocks."""

    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def monotonic(self) -> float:
        return time.monotonic()


class Registry(NamedTuple):
    """A registry's settings and kinds, and the adapters that serve it."""

    root: Path
    settings: Settings
    catalogue: Catalogue
    source: Source
    cache: CompileCache
    store: StateStore
    driver_for: DriverFor
    clock: SystemClock


def open_registry(root: Path, flags: Mapping[str, str], environment: Mapping[str, str]) -> Registry:
    """The registry in the folder `root`. Raises Invalid with everything that is wrong with its settings and kinds."""
    root = Path(os.path.realpath(root))
    source = WorkTree(root)
    compile_cache = FileCompileCache(cache_folder(root, environment))
    settings = override(_settings(source, compile_cache), environment, flags)
    catalogue = _catalogue(root, settings.schemas, source, compile_cache)
    return Registry(
        root,
        settings,
        catalogue,
        source,
        compile_cache,
        SqliteStore(root / settings.state),
        _drivers(root / settings.output),
        SystemClock(),
    )


def cache_folder(root: Path, environment: Mapping[str, str]) -> Path:
    """Where what was compiled of `root` is kept: outside of the repository, whose authors could forge it."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ureg" / blake2b(os.fsencode(root), digest_size=16).hexdigest()


def built_in_schemas() -> dict[str, bytes]:
    """The schema files that come with the program, by name."""
    package = Path(__file__).parent
    # A wheel carries them inside the package, a checkout has them beside it.
    folder = package / "schemas" if (package / "schemas").is_dir() else package.parent / "schemas"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.schema.json"))}


def _settings(source: Source, known: CompileCache) -> Settings:
    data = source.read([SETTINGS_FILE]).get(SETTINGS_FILE, b"")
    if not data.strip():
        return Settings()
    from reconciler.compiler.settings import dump_settings, load_settings, parse_settings

    schemas = built_in_schemas()
    digest = blake2b(data + schemas[SETTINGS_SCHEMA], digest_size=20).hexdigest()
    judged = known.recall(digest)
    if judged is not None:
        return load_settings(judged)
    settings, diagnostics = parse_settings(SETTINGS_FILE, data, load_catalogue(schemas)[0])
    if errors(diagnostics):
        raise Invalid(*diagnostics)
    known.remember(digest, dump_settings(settings))
    return settings


def _catalogue(root: Path, folder: str, source: Source, known: CompileCache) -> Catalogue:
    """The built-in kinds and those of the registry's own folder; a file of the same name takes a built-in's place."""
    own = sorted(path.relative_to(root).as_posix() for path in (root / folder).glob("*.schema.json"))
    named = {Path(path).name: (path, data) for path, data in source.read(own).items()}
    merged = {name: (name, data) for name, data in built_in_schemas().items()} | named
    files = dict(merged.values())
    catalogue, diagnostics = load_catalogue(files)
    if errors(diagnostics) or known.recall(catalogue.digest) is None:
        from reconciler.compiler.kinds import check_catalogue

        diagnostics = tuple(dict.fromkeys((*diagnostics, *check_catalogue(files, catalogue))))
        if errors(diagnostics):
            raise Invalid(*diagnostics)
        known.remember(catalogue.digest, "sound")
    return catalogue


def _drivers(place: Path) -> DriverFor:
    @cache
    def driver_for(name: str) -> Driver:
        from reconciler.drivers.loading import BrokenDriver, UnknownDriver, load_driver

        try:
            return load_driver(name, place)
        except UnknownDriver as error:
            hint = "Install the package that brings it."
            raise Invalid(Diagnostic("driver-unknown", f"There is no driver {name!r}", str(error), hint)) from error
        except BrokenDriver as error:
            raise Invalid(Diagnostic("driver-broken", f"The driver {name!r} cannot be used", str(error))) from error

    return driver_for


def version() -> str:
    return __version__
