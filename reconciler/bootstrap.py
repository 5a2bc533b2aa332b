"""Puts a registry together: the only module that names concrete adapters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from reconciler import __version__
from reconciler.compiler.kinds import load_catalogue
from reconciler.engine.settings import override
from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Invalid, errors
from reconciler.model.kind import Catalogue
from reconciler.model.settings import Settings, is_database
from reconciler.ports import CompileCache, Driver, DriverFor, Source, StateStore
from reconciler.sources.compile_cache import FileCompileCache
from reconciler.sources.parent import ParentSource
from reconciler.sources.worktree import WorkTree

if TYPE_CHECKING:
    from reconciler.drivers.flagd import Feature
    from reconciler.drivers.grid_agent import Agent
    from reconciler.drivers.secrets import Secrets
    from reconciler.drivers.targeting import Evaluation
    from reconciler.sources.branch import Branch
    from reconciler.sources.subregistry import SubRegistries
    from reconciler.state.election import PostgresElection
    from reconciler.state.file_election import FileElection

    Election: TypeAlias = PostgresElection | FileElection

SETTINGS_FILE = "ureg.yaml"
SETTINGS_SCHEMA = "settings.schema.json"
_SCHEMA_FILES = "*.schema.json"
_BACKUPS = ".ureg/backups"
"""Where the backups of a state in PostgreSQL are kept; those of a SQLite file are beside it."""

_GIT = "git"
"""The driver of sub-registries."""
_BRANCHES, _MIRRORS = "branches", "registries"
"""The folders in the user's cache for what is kept of watched branches, and of sub-registries."""
_GRID = "grid"
"""The driver of nodes, and what is added to the name of the state's schema for theirs."""
_VENV = "venv"
"""The driver of plugins, which may bring drivers themselves."""


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
    source: ParentSource
    cache: CompileCache
    store: StateStore
    driver_for: DriverFor
    clock: SystemClock
    override: Callable[[Settings], Settings]
    """Lays what the environment and the flags say over the settings of a file."""
    children: Callable[[Settings], SubRegistries]
    """Opens sub-registries as the settings allow."""
    local_driver_for: DriverFor
    """Opens drivers of this machine alone, where `driver_for` reaches other nodes too."""
    drivers: Callable[[Settings, Catalogue], tuple[DriverFor, DriverFor]]
    """Opens both as settings and kinds say. Those that were opened last stay while what they go by does."""


def open_registry(root: Path, flags: Mapping[str, str], environment: Mapping[str, str]) -> Registry:
    """The registry in the folder `root`. Raises Invalid with everything that is wrong with its settings and kinds."""
    root = Path(os.path.realpath(root))

    def lay_over(settings: Settings) -> Settings:
        return override(settings, environment, flags)

    source = WorkTree(root)
    kept = cache_folder(root, environment)
    compile_cache = FileCompileCache(kept)
    children = partial(_sub_registries, root, kept / _MIRRORS, environment)
    settings = lay_over(_settings(source, compile_cache))
    catalogue = _catalogue(source, _own_schemas(root, settings), compile_cache)
    drivers = _Drivers(root, environment)
    driver_for, local_driver_for = drivers(settings, catalogue)
    return Registry(
        root,
        settings,
        catalogue,
        ParentSource(source, partial(children, settings)),
        compile_cache,
        open_store(root, settings.state),
        driver_for,
        SystemClock(),
        lay_over,
        children,
        local_driver_for,
        drivers,
    )


def reopened(registry: Registry) -> Registry:
    """`registry` with the settings, kinds and drivers that its folder asks for now; its state stays."""
    source = WorkTree(registry.root)
    settings = registry.override(_settings(source, registry.cache))._replace(state=registry.settings.state)
    catalogue = _catalogue(source, _own_schemas(registry.root, settings), registry.cache)
    parent = ParentSource(source, partial(registry.children, settings))
    driver_for, local_driver_for = registry.drivers(settings, catalogue)
    return registry._replace(
        settings=settings,
        catalogue=catalogue,
        source=parent,
        driver_for=driver_for,
        local_driver_for=local_driver_for,
    )


def with_kept_cache(registry: Registry) -> Registry:
    """`registry` with what it compiles kept in memory too."""
    from reconciler.sources.kept_cache import KeptCache

    return registry._replace(cache=KeptCache(registry.cache))


def at_commit(registry: Registry, commit: str, repository: Path | None = None, follow: bool = False) -> Registry:
    """`registry` as it is in `commit` (a full id); its state and its drivers stay, what its sub-registries may, and the
    guards, which no commit may lift for itself. The commit is in `repository`, by default in the registry's own. With
    `follow` what it compiles is kept, as for the work tree. Raises Invalid."""
    from reconciler.sources.compile_cache import ReadOnlyCache
    from reconciler.sources.gittree import GitTree

    source = GitTree(repository or registry.root, commit)
    known = registry.cache if follow else ReadOnlyCache(registry.cache)
    settings = registry.override(_settings(source, known))._replace(guards=registry.settings.guards)
    own = [file.path for file in source.snapshot([f"{settings.schemas}/{_SCHEMA_FILES}"]).files]
    catalogue = _catalogue(source, own, known)
    parent = ParentSource(source, partial(registry.children, registry.settings))
    driver_for, _ = registry.drivers(registry.settings, catalogue)
    return registry._replace(settings=settings, catalogue=catalogue, source=parent, cache=known, driver_for=driver_for)


def open_branch(registry: Registry, name: str, remote: str, environment: Mapping[str, str]) -> Branch:
    """The branch `name` of `remote` (a remote's name, a url or a folder), which is mirrored in the user's cache; of the
    registry's own repository where that is "". Raises Invalid."""
    from reconciler.model.units import duration
    from reconciler.sources.branch import Branch, MirroredBranch, open_remote, prefix_of

    if not remote:
        return Branch(registry.root, name)
    fetch = dict(registry.settings.watch.get("fetch", {}))
    fetch |= {"timeout": duration(fetch["timeout"])} if "timeout" in fetch else {}
    found = open_remote(registry.root, remote, fetch)
    mirror = blake2b(f"{found.url}\0{name}".encode(), digest_size=8).hexdigest()
    folder = cache_folder(registry.root, environment) / _BRANCHES / mirror
    return MirroredBranch(folder, prefix_of(registry.root), found, name)


def open_signers(registry: Registry) -> Callable[[Path, str], str]:
    """Tells why a commit in a repository does not count by the setting `watch.verify`; "" where it does. Raises
    Invalid."""
    options = registry.settings.watch.get("verify")
    if not options:
        return lambda repository, commit: ""
    from reconciler.sources.signature import open_signers

    return open_signers(options, registry.clock.now).refusal


def resolve_commit(registry: Registry, text: str) -> str:
    """The full id of the commit that a user means by `text` (an id, a branch, a tag). Raises Invalid."""
    from reconciler.sources import git

    return git.resolve_commit(registry.root, text)


def is_part_of(registry: Registry, commit: str, other: str) -> bool:
    """Whether `commit` is `other` or one that it builds on; both full ids. False too where one of them is not here."""
    from reconciler.sources import git

    try:
        return not git.run_git(registry.root, "rev-list", "--max-count=1", commit, "--not", other)
    except git.GitError:
        return False


def put_back(registry: Registry, then: Registry, commit: str, message: str) -> str | None:
    """Makes the files of `registry` what they were at `commit`, where it was `then`, by a new commit with `message`.
    Returns its id, None where there is nothing to do. Raises Invalid, and then has changed nothing."""
    from reconciler.sources import revert

    folders = {SETTINGS_FILE}
    patterns: set[str] = set()
    for settings, catalogue in ((r.settings, r.catalogue) for r in (registry, then)):
        folders |= {settings.registry, settings.schemas}
        patterns |= {kind.files for kind in catalogue.kinds.values() if kind.files}
    scope = revert.Scope(tuple(sorted(folders)), tuple(sorted(patterns)))
    return revert.put_back(registry.root, commit, scope, message)


def commit_edit(registry: Registry, path: str, data: bytes, message: str) -> str:
    """Puts `data` in the file `path` of `registry` and commits that alone. Returns the commit's id. Raises Invalid, and
    then has changed nothing."""
    from reconciler.sources import commit

    return commit.edit(registry.root, path, data, message)


def read_feature(address: Address, state: str, manifest: Mapping[str, Any]) -> Feature:
    """The feature flag that a component is."""
    from reconciler.drivers import flagd

    return flagd.read_feature(address, state, manifest)


def evaluate(feature: Feature, environment: str, context: Mapping[str, Any]) -> Evaluation:
    """What a client in `environment` ("" for the document that holds for all) gets for `feature` in `context`."""
    from reconciler.drivers import flagd, targeting

    return targeting.evaluate(feature.key, feature.flag(environment or flagd.BASE), context)


def open_store(root: Path, place: str) -> StateStore:
    """The recorded state at `place`: a SQLite file (a path from `root`), or the URL of a PostgreSQL database."""
    if is_database(place):
        from reconciler.state import postgres

        return postgres.open_store(place, root / _BACKUPS)
    from reconciler.state.sqlite import SqliteStore

    return SqliteStore(root / place)


def stand_for_election(registry: Registry, who: str, seconds: float) -> tuple[Registry, Election]:
    """The election of the daemon that keeps `registry`, and `registry` for a daemon: with a state that it can write to
    only while it leads. `who` names it, and a leader outlives its last sign of life by `seconds`."""
    place = registry.settings.state
    if is_database(place):
        from reconciler.state import postgres

        election = postgres.open_election(place, who, seconds)
        store = postgres.open_led_store(place, registry.root / _BACKUPS, election)
        return registry._replace(store=store), election
    from reconciler.state.file_election import FileElection

    return registry, FileElection(registry.root / place, who)


def open_secrets(registry: Registry, environment: Mapping[str, str]) -> Secrets:
    """Reads the secrets that the settings name, and keeps them out of texts."""
    from reconciler.drivers.secrets import Secrets

    return Secrets(registry.root, environment)


def plan_key(environment: Mapping[str, str], make: bool = True) -> bytes | None:
    """What saved plans are signed with; None where there is no key and none is to be made. Raises Invalid."""
    from reconciler.sources import plan_key

    return plan_key.plan_key(environment, make)


def open_agent(registry: Registry, node: str, concurrency: int, say: Callable[[str], None]) -> Agent:
    """The agent that carries out on this machine, with the drivers of `registry`, what is asked of `node`; `say` is
    told each thing done. Raises Invalid where the state is no database that others reach."""
    if not is_database(registry.settings.state):
        raise Invalid(
            Diagnostic(
                "agent-state",
                "An agent needs a state in PostgreSQL",
                "Work comes to it through the database, and the state is a SQLite file.",
                "Name the database that the registry uses: -state=postgresql://USER@HOST/DATABASE, or UREG_STATE.",
            )
        )
    from reconciler.drivers import grid_agent

    post = grid_agent.Post(node, concurrency, __version__)
    return grid_agent.open_agent(_grid(registry.settings), post, registry.local_driver_for, say)


def driver_versions(names: Iterable[str]) -> dict[str, str]:
    """The version of each driver by its name: this program's for one that comes with it, else its distribution's, and
    "gone" where there is none."""
    from reconciler.drivers.loading import is_built_in

    return {n: f"ureg {__version__}" if is_built_in(n) else _distribution(n) for n in sorted(set(names))}


def cache_folder(root: Path, environment: Mapping[str, str]) -> Path:
    """Where what was compiled of `root` is kept: outside of the repository, whose authors could forge it."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
    # Nothing can be kept below the null device: who has no home goes without.
    base = environment.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home.startswith("/") else os.devnull)
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


def _own_schemas(root: Path, settings: Settings) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / settings.schemas).glob(_SCHEMA_FILES))


def _catalogue(source: Source, own: Sequence[str], known: CompileCache) -> Catalogue:
    """The built-in kinds and those of the registry's own files; a file of the same name takes a built-in's place."""
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


def _sub_registries(root: Path, mirrors: Path, environment: Mapping[str, str], settings: Settings) -> SubRegistries:
    from reconciler.drivers.secrets import Secrets
    from reconciler.sources.subregistry import SubRegistries
    from reconciler.sources.subregistry_remote import read_policy

    policy = read_policy(settings.drivers.get(_GIT, {}))
    return SubRegistries(root, mirrors, policy, Secrets(root, environment).read)


class _Drivers:
    """As `Registry.drivers` has it."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._opened: tuple[object, DriverFor] | None = None
        self._placed: tuple[object, DriverFor] | None = None

    def __call__(self, settings: Settings, catalogue: Catalogue) -> tuple[DriverFor, DriverFor]:
        asked = (settings.output, settings.runtime, settings.drivers, settings.state)
        if self._opened is None or self._opened[0] != asked:
            self._opened, self._placed = (asked, _drivers(self._root, settings, self._environment)), None
        local, places = self._opened[1], _places(catalogue)
        if self._placed is None or self._placed[0] != places:
            self._placed = (places, _placed(local, settings, places))
        return self._placed[1], local


def _drivers(root: Path, settings: Settings, environment: Mapping[str, str]) -> DriverFor:
    trusted = settings.drivers.get(_VENV, {}).get("driversFrom", ())
    if trusted:
        _admit_plugins(root, settings.runtime, trusted)

    @cache
    def driver_for(name: str) -> Driver:
        from reconciler.drivers.loading import BrokenDriver, UnknownDriver, load_driver
        from reconciler.drivers.secrets import Secrets
        from reconciler.drivers.site import NotPermitted, Site

        place = Site(root, root / settings.output, root / settings.runtime, Secrets(root, environment))
        options = settings.drivers.get(name.partition(":")[0], {})
        if name == _GIT:
            options = {**options, "mirrors": cache_folder(root, environment) / _MIRRORS}
        if name == _GRID:
            options = _grid(settings)
        try:
            return load_driver(name, place._replace(options=options))
        except UnknownDriver as error:
            hint = "Install the package that brings it."
            raise Invalid(Diagnostic("driver-unknown", f"There is no driver {name!r}", str(error), hint)) from error
        except BrokenDriver as error:
            raise Invalid(Diagnostic("driver-broken", f"The driver {name!r} cannot be used", str(error))) from error
        except NotPermitted as error:
            summary = f"The driver {name!r} is not permitted"
            raise Invalid(Diagnostic("driver-not-permitted", summary, str(error), error.hint)) from error

    return driver_for


def _admit_plugins(root: Path, runtime: str, trusted: Sequence[str]) -> None:
    """Lets the `trusted` plugins that are installed bring drivers. Raises Invalid where git holds what is installed:
    then whoever makes a commit could have put any program there."""
    from reconciler.drivers.venv_drivers import admit
    from reconciler.sources.git import is_repository, run_git

    if is_repository(root) and run_git(root, "ls-files", "-z", "--", runtime):
        hint = f"Take it out with `git rm -r --cached {runtime}`, and let `.gitignore` name it."
        summary = f"Files of {runtime} are in git, so no plugin may bring a driver"
        raise Invalid(Diagnostic("runtime-in-git", summary, hint=hint))
    try:
        admit(root / runtime, trusted)
    except OSError as error:
        raise Invalid(Diagnostic("runtime-unreadable", f"{runtime} cannot be read", str(error))) from error


def _places(catalogue: Catalogue) -> Mapping[str, tuple[str, str]]:
    """By the names of the kinds whose components can be on other nodes: the field that says on which, and the
    driver."""
    from reconciler.compiler.kinds import node_field

    return {k.name: (field, k.driver) for k in catalogue.kinds.values() if (field := node_field(k))}


def _placed(local: DriverFor, settings: Settings, places: Mapping[str, tuple[str, str]]) -> DriverFor:
    """`local`, which also reaches the other nodes that components are on: with a state in PostgreSQL alone."""
    if not places or not is_database(settings.state):
        return local
    from reconciler.drivers.grid_remote import reaching
    from reconciler.planner.place import LOCAL, node_of

    def node(kind: str, manifest: bytes) -> str:
        return node_of(manifest, places[kind][0]) if kind in places else LOCAL

    return reaching(local, {driver for _, driver in places.values()}, node, _grid(settings))


def _grid(settings: Settings) -> Mapping[str, Any]:
    """The options of the grid's driver; where the state is a file, there is no grid for them to lead to."""
    given = settings.drivers.get(_GRID, {})
    if not is_database(settings.state):
        return given
    from reconciler.drivers.grid import DATABASE, SCHEMA
    from reconciler.state.postgres_url import target

    url, schema = target(settings.state)
    return {**given, DATABASE: url, SCHEMA: f"{schema}_{_GRID}"}


def _distribution(driver: str) -> str:
    """The distribution that brings `driver`, with its version."""
    from importlib.metadata import entry_points

    from reconciler.drivers.loading import GROUP

    entries = entry_points(group=GROUP).select(name=driver.partition(":")[0])
    return next((f"{entry.dist.name} {entry.dist.version}" for entry in entries if entry.dist), "gone")


def version() -> str:
    return __version__
