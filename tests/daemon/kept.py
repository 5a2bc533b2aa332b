"""A registry whose commits, state, world and time are in memory, and the daemon's cycles on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path

from engine.memory import MemoryStore
from engine.world import World

from reconciler.bootstrap import Registry, built_in_schemas
from reconciler.compiler.kinds import load_catalogue
from reconciler.daemon.act import Audience, Rules
from reconciler.daemon.reconcile import Reconciler
from reconciler.daemon.suspensions import resume, suspend
from reconciler.daemon.times import later
from reconciler.model.daemon import CycleReport, Suspension, SyncMode, Trigger, Why
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.event import Event
from reconciler.model.glob import matches
from reconciler.model.history import LockInfo, Run
from reconciler.model.kind import Catalogue
from reconciler.model.plan import Plan
from reconciler.model.resource import Revision, Snapshot, SourceFile
from reconciler.model.settings import Guards, Settings
from reconciler.ports import Emit, Locking
from reconciler.sources.compile_cache import FileCompileCache
from reconciler.sources.git import GitError
from reconciler.sources.kept_cache import KeptCache
from reconciler.sources.parent import ParentSource
from reconciler.sources.subregistry import SubRegistries

START = "2026-03-02T12:00:00.000Z"
FREE = Guards(10**6, 100)


def _schema(name: str, driver: str) -> bytes:
    schema = json.loads(built_in_schemas()["component.schema.json"])
    verbs = {
        "register": {"from": "absent", "to": "registered"},
        "start": {"from": "registered", "to": "running"},
        "stop": {"from": "running", "to": "registered"},
        "update": {"from": ["registered", "running"]},
        "remove": {"from": "registered", "to": "absent"},
    }
    lifecycle = {"states": ["registered", "running"], "default": "running", "verbs": verbs}
    schema |= {"$id": f"{name.lower()}.schema.json", "title": name, "examples": []}
    schema["x-ureg"] = {"kind": name, "plural": f"{name.lower()}s", "driver": driver, "lifecycle": lifecycle}
    schema["properties"]["kind"] = {"const": name, "description": "The kind."}
    schema["properties"]["state"] = {"enum": ["registered", "running"], "description": "Its state."}
    schema["properties"]["spec"] = {"type": "object", "description": "What it is."}
    return json.dumps(schema).encode()


def _catalogue() -> Catalogue:
    schemas = {"one.schema.json": _schema("One", "single"), "many.schema.json": _schema("Many", "bulk")}
    catalogue, diagnostics = load_catalogue({**built_in_schemas(), **schemas})
    assert not diagnostics
    return catalogue


CATALOGUE = _catalogue()


def manifest(address: str, value: int = 1, state: str = "running", needs: Sequence[str] = ()) -> str:
    kind, _, name = address.partition("/")
    depends = f", dependsOn: [{', '.join(needs)}]" if needs else ""
    return (
        f"apiVersion: ureg/v1\nkind: {kind.capitalize()}\nmetadata: {{name: {name}{depends}}}\n"
        f"state: {state}\nspec: {{value: {value}}}\n"
    )


def _no_children() -> SubRegistries:
    raise AssertionError("there are no sub-registries")


class Files:
    """Satisfies ports.Source for the files of one commit."""

    def __init__(self, files: Mapping[str, str], commit: str) -> None:
        self._files = files
        self._commit = commit

    def begin(self, patterns: Sequence[str]) -> Callable[[], Snapshot]:
        return lambda: self.snapshot(patterns)

    def snapshot(self, patterns: Sequence[str]) -> Snapshot:
        found = sorted(path for path in self._files if any(matches(pattern, path) for pattern in patterns))
        files = tuple(SourceFile(path, sha1(self._files[path].encode()).hexdigest()) for path in found)
        return Snapshot(files, Revision(self._commit, sha1(repr(files).encode()).hexdigest(), dirty=False))

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        return {path: self._files[path].encode() for path in paths if path in self._files}

    def refusal(self, path: str) -> str:
        return ""


class Hands:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.time = START
        self.passed = 0.0

    def now(self) -> str:
        return self.time

    def monotonic(self) -> float:
        return self.passed

    def pass_by(self, seconds: float) -> None:
        self.time = later(self.time, seconds)
        self.passed += seconds


class Kept:
    """The registry and its daemon. `mode` is None where nothing is ever to be applied."""

    def __init__(self, folder: Path, world: World | None = None, mode: SyncMode | None = SyncMode.APPLY) -> None:
        self.world = world or World()
        self.store = MemoryStore()
        self.clock = Hands()
        self.mode = mode
        self.settings = Settings(guards=FREE)
        self.files: dict[str, str] = {}
        self.commits: dict[str, dict[str, str]] = {}
        self.shown: list[Plan] = []
        self.told: list[Diagnostics] = []
        self.events: list[Event] = []
        self.reports: list[CycleReport] = []
        self.opened: list[str] = []
        self.stop = False
        self.trouble = ""
        """What git says instead of a commit."""
        self._folder = folder
        self._cache = KeptCache(FileCompileCache(folder / "cache"))
        self.restart()

    def restart(self) -> None:
        """A new process: what was in memory is gone."""
        approved = self.mode is not None
        rules = Rules("main", "me@here (process 1)", approved, self.mode, None, (), self._locking, self._run)
        audience = Audience(lambda _: None, lambda _, plan: self.shown.append(plan), self._tell, self._progress)
        self.cycles = Reconciler(self._registry(""), self._registry, rules, audience, follows_commits=True)

    def commit(self, **changes: str | None) -> str:
        """Changes files by their stems, None to delete; the id of the new commit."""
        for name, text in changes.items():
            path = f"registry.d/{name}.yaml"
            self.files.pop(path, None)
            if text is not None:
                self.files[path] = text
        commit = sha1(f"{len(self.commits)} {sorted(self.files.items())}".encode()).hexdigest()
        self.commits[commit] = dict(self.files)
        return commit

    def cycle(self, why: Why = Why.INTERVAL, commit: str = "", trouble: str = "") -> CycleReport:
        report = self.cycles.cycle((Trigger(why, "a test", commit, trouble),), lambda: self.stop)
        self.world.rest()
        self.reports.append(report)
        return report

    def push(self, **changes: str | None) -> CycleReport:
        return self.cycle(Why.COMMIT, self.commit(**changes))

    def suspend(self, scope: str, seconds: float | None = None) -> None:
        now = self.clock.now()
        until = "" if seconds is None else later(now, seconds)
        suspend(self.store.notes, Suspension(scope, "a test", "me@here", now, until))

    def resume(self, scope: str) -> None:
        resume(self.store.notes, scope, "me@here")

    def wait_for_due(self) -> CycleReport:
        """Lets time pass until the daemon has something to do by itself, and lets it."""
        due = self.cycles.due
        assert due.at > self.clock.time
        self.clock.pass_by(1 / 1000)
        while self.clock.time < due.at:
            self.clock.pass_by(1.0)
        return self.cycle(due.why)

    def _registry(self, commit: str) -> Registry:
        self.opened.append(commit)
        if self.trouble:
            raise GitError(self.trouble)
        return Registry(
            self._folder,
            self.settings,
            CATALOGUE,
            ParentSource(Files(self.commits.get(commit, {}), commit), _no_children),
            self._cache,
            self.store,
            self.world.driver_for,
            self.clock,  # type: ignore[arg-type]
            lambda settings: settings,
            lambda settings: _no_children(),
            self.world.driver_for,
            lambda settings, catalogue: (self.world.driver_for, self.world.driver_for),
        )

    def _tell(self, diagnostics: Diagnostics) -> None:
        if diagnostics:
            self.told.append(diagnostics)

    @contextmanager
    def _progress(self, plan: Plan) -> Iterator[Emit]:
        yield self.events.append

    def _locking(self, operation: str) -> Locking:
        return Locking(LockInfo("lock", operation, "me@here", 1), 0.0)

    def _run(self, operation: str, revision: Revision) -> Run:
        return Run(f"run-{len(self.store.runs_)}", operation, "me@here", revision.commit, revision.tree)
