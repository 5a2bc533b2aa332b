"""The driver of service meshes and their routes: one Envoy a mesh, which reads its configuration from files.

A transition carries one manifest, while the files follow from a mesh and all of its routes. So the driver keeps the
specs of what is enabled in the mesh's folder, and renders everything from that. Where a batch would give a
configuration that Envoy refuses, the transitions that are to blame are found, and the others carried out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from reconciler.drivers import endpoints, envoy_look
from reconciler.drivers.atomic import Folder, explain, open_folder
from reconciler.drivers.envoy_clusters import services
from reconciler.drivers.envoy_files import (
    CLUSTERS,
    Sources,
    candidate,
    documents,
    load_sources,
    resources_of,
    save_sources,
)
from reconciler.drivers.envoy_life import Refused, validate
from reconciler.drivers.envoy_live import Envoy
from reconciler.drivers.envoy_parts import ENABLED, is_mesh, mesh_of
from reconciler.drivers.envoy_watches import check_watches
from reconciler.drivers.process_logs import LogFile, follow_logs, last_lines
from reconciler.drivers.process_supervisor import Supervisor
from reconciler.drivers.site import Site
from reconciler.model.address import Address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.ports import Driver

_SEARCHED = 10_000
"""Of how many lines of a mesh's log the requests of one route are picked."""
_Errors = dict[Address, str]


class EnvoyDriver:
    """Batches, because many routes are one file."""

    name = "envoy"
    acts = True
    batches = True

    def __init__(self, run: Path) -> None:
        self._run = run
        self._supervisor = Supervisor(run)

    def observe(self, records: Sequence[Record]) -> Iterable[Observation]:
        meshes: dict[Address, list[Record]] = {}
        for record in records:
            meshes.setdefault(mesh_of(record.address, record.kind, record.body()), []).append(record)
        for mesh, members in meshes.items():
            look = envoy_look.look(self._envoy(mesh), mesh)
            yield from filter(None, (envoy_look.observe(look, record) for record in members))

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        meshes: dict[Address, list[Transition]] = {}
        for transition in transitions:
            manifest = transition.after or transition.before or {}
            meshes.setdefault(mesh_of(transition.address, transition.kind, manifest), []).append(transition)
        errors: _Errors = {}
        for mesh in sorted(meshes):
            errors |= _carry_out(self._run, mesh, self._envoy(mesh), meshes[mesh])
        return [Outcome(transition.address, errors.get(transition.address, "")) for transition in transitions]

    def health(self, record: Record) -> Health:
        mesh = mesh_of(record.address, record.kind, record.body())
        envoy = self._envoy(mesh)
        return envoy_look.health(envoy, envoy_look.look(envoy, mesh), record)

    def logs(self, record: Record, lines: int, follow: bool) -> Iterator[str]:
        file = LogFile(self._envoy(mesh_of(record.address, record.kind, record.body())).log())
        mine = _is_about(record)
        yield from deque(filter(mine, last_lines(file, lines if is_mesh(record.kind) else _SEARCHED)), lines)
        if follow:
            yield from filter(mine, follow_logs(lambda: [file]))

    def _envoy(self, mesh: Address) -> Envoy:
        return Envoy(self._run, mesh, self._supervisor)


def open_driver(site: Site) -> Driver:
    return EnvoyDriver(site.run)


def _is_about(record: Record) -> Callable[[str], bool]:
    """Picks, from the log of a mesh, all lines for the mesh, and for a route its requests."""
    if is_mesh(record.kind):
        return bool
    route = orjson.dumps({"route": record.address}).decode().strip("{}")
    return lambda line: route in line


def _carry_out(run: Path, mesh: Address, envoy: Envoy, transitions: Sequence[Transition]) -> _Errors:
    """What went wrong, by address."""
    try:
        with open_folder(envoy.home, create=True) as folder:
            old = load_sources(folder)
            new, errors = _accept(_Judge(run, mesh, envoy, folder), old, transitions)
            if len(errors) < len(transitions):
                _converge(mesh, envoy, folder, old, new)
        _sweep(envoy, mesh, transitions)
    except Refused as error:
        return {transition.address: str(error) for transition in transitions}
    except OSError as error:
        text = f"{envoy.home}: {explain(error)}"
        return {transition.address: text for transition in transitions}
    return errors


def _sweep(envoy: Envoy, mesh: Address, transitions: Sequence[Transition]) -> None:
    """Leaves nothing of a mesh that is gone."""
    if any(each.address == mesh and each.target == ABSENT for each in transitions):
        envoy.erase_log()
    with suppress(OSError):  # it is not empty while there is anything to keep
        envoy.home.rmdir()


class _Judge:
    """Tells whether Envoy would take what some sources lead to."""

    def __init__(self, run: Path, mesh: Address, envoy: Envoy, folder: Folder) -> None:
        self._run = run
        self._mesh = mesh
        self._envoy = envoy
        self._folder = folder

    def check(self, sources: Sources) -> None:
        """Raises Refused and OSError. What stands in the files was judged before."""
        mesh = sources.of(self._mesh)
        if mesh is None:
            return
        wanted = services(mesh)
        check_watches(len(wanted.keys() | self._standing()), self._envoy.pids)
        # Envoy wants the files that its configuration names to be there.
        endpoints.ensure(self._run, wanted)
        if not all(self._stands(name, data) for name, data in documents(mesh).items()):
            validate(self._envoy.home, self._folder, candidate(mesh))

    def _stands(self, name: str, data: bytes) -> bool:
        found = self._folder.read(name)
        return found is not None and found.data == data

    def _standing(self) -> set[str]:
        """The clusters that go only after the new ones have come."""
        found = self._folder.read(CLUSTERS)
        return {cluster["name"] for cluster in resources_of(found.data)} if found else set()


def _accept(judge: _Judge, base: Sources, transitions: Sequence[Transition]) -> tuple[Sources, _Errors]:
    """`base` with all `transitions` that Envoy takes, and why it does not take the others."""
    wanted = _with(base, transitions)
    try:
        judge.check(wanted)
    except Refused as error:
        if len(transitions) == 1:
            return base, {transitions[0].address: str(error)}
    else:
        return wanted, {}
    middle = len(transitions) // 2
    first, errors = _accept(judge, base, transitions[:middle])
    both, more = _accept(judge, first, transitions[middle:])
    return both, errors | more


def _with(base: Sources, transitions: Sequence[Transition]) -> Sources:
    """`base` after `transitions`: it holds what is enabled."""
    mesh, routes = base.mesh, dict(base.routes)
    for transition in transitions:
        spec: dict[str, Any] | None = (transition.after or {}).get("spec") if transition.target == ENABLED else None
        if is_mesh(transition.kind):
            mesh = spec
        elif spec is None:
            routes.pop(transition.address, None)
        else:
            routes[transition.address] = spec
    return Sources(mesh, routes)


def _converge(mesh: Address, envoy: Envoy, folder: Folder, old: Sources, new: Sources) -> None:
    """Raises Refused, and then all is as it was, and OSError."""
    wanted = new.of(mesh)
    save_sources(folder, new)
    if wanted is None:
        envoy.stop(folder)
        return
    try:
        envoy.take(folder, documents(wanted))
    except Refused:
        save_sources(folder, old)
        raise
