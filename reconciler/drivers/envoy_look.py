"""What is there of a mesh and its routes, and how they are: files, the program, what it took, its endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from reconciler.drivers.atomic import open_folder
from reconciler.drivers.endpoints import cluster_name
from reconciler.drivers.envoy_admin import Status, endpoints
from reconciler.drivers.envoy_files import BOOTSTRAP, DYNAMIC, Sources, bootstrap, documents, load_sources, version_of
from reconciler.drivers.envoy_live import Envoy
from reconciler.drivers.envoy_parts import ENABLED, is_mesh
from reconciler.drivers.envoy_routes import destinations
from reconciler.model.address import Address
from reconciler.model.outcome import Health
from reconciler.model.record import Observation, Record, Seen

DISABLED = "disabled"
_DOWN = "Envoy does not run"
_CLOSED = "Envoy does not listen"


class Look(NamedTuple):
    """What was seen of a mesh. `changed` are the generated files that are not as they should be, each with what is
    wrong; `status` is None where no Envoy runs."""

    mesh: Address
    sources: Sources
    changed: Mapping[str, str]
    status: Status | None


def look(envoy: Envoy, mesh: Address) -> Look:
    """Raises OSError."""
    with open_folder(envoy.home) as folder:
        sources = load_sources(folder)
        found = {name: file.data for name in (*DYNAMIC, BOOTSTRAP) if (file := folder.read(name))}
    wanted = sources.of(mesh)
    files = {**documents(wanted), BOOTSTRAP: bootstrap(mesh)} if wanted else {}
    changed = {
        name: "changed" if name in found else "missing" for name, data in files.items() if found.get(name) != data
    }
    status = envoy.status()
    if status:
        untaken = (name for name in DYNAMIC if name in files and status.versions[name] != version_of(files[name]))
        changed |= {name: "not taken" for name in untaken if name not in changed}
    return Look(mesh, sources, changed, status)


def observe(look: Look, record: Record) -> Observation | None:
    """None where all is as recorded."""
    seen = _mesh(look, record) if is_mesh(record.kind) else _route(look, record)
    if not seen:
        return None
    other = DISABLED if record.state == ENABLED else ENABLED
    turned = any(each.field in ("state", "process") for each in seen)
    return Observation(record.address, other if turned else record.state, "; ".join(map(_words, seen)), tuple(seen))


def health(envoy: Envoy, look: Look, record: Record) -> Health:
    """Raises OSError."""
    if record.state != ENABLED:
        return Health(healthy=True)
    trouble = _trouble(envoy, look, record)
    return Health(healthy=not trouble, message=trouble)


def _mesh(look: Look, record: Record) -> list[Seen]:
    if record.state != ENABLED:
        return [Seen("process", "stopped", "running")] if look.status else []
    if look.sources.mesh is None:
        return [Seen("state", ENABLED, DISABLED)]
    if look.status is None:
        return [Seen("process", "running", "not running")]
    seen = list(_differences(record, look.sources.mesh))
    seen += [Seen(name, "written", what) for name, what in look.changed.items()]
    return seen if look.status.listening else [*seen, Seen("listener", "open", "closed")]


def _route(look: Look, record: Record) -> list[Seen]:
    spec = look.sources.routes.get(record.address)
    if record.state != ENABLED:
        return [Seen("state", DISABLED, ENABLED)] if spec is not None else []
    return [Seen("state", ENABLED, DISABLED)] if spec is None else list(_differences(record, spec))


def _differences(record: Record, spec: Mapping[str, Any]) -> Iterator[Seen]:
    wanted = record.body().get("spec", {})
    for field in sorted(wanted.keys() | spec.keys()):
        before, after = (_value(values, field) for values in (wanted, spec))
        if before != after:
            yield Seen(f"spec.{field}", before, after)


def _value(spec: Mapping[str, Any], field: str) -> str:
    return orjson.dumps(spec[field], option=orjson.OPT_SORT_KEYS).decode() if field in spec else "missing"


def _words(seen: Seen) -> str:
    return f"{seen.field} is {seen.observed}, recorded as {seen.recorded}"


def _trouble(envoy: Envoy, look: Look, record: Record) -> str:
    """What keeps requests from being served, "" where nothing does."""
    if look.sources.mesh is None:
        return f"{look.mesh} is disabled"
    if look.status is None:
        return f"{_DOWN} for {look.mesh}"
    if not look.status.listening:
        return f"{_CLOSED} for {look.mesh}"
    return "" if is_mesh(record.kind) else "; ".join(_unserved(envoy, record))


def _unserved(envoy: Envoy, record: Record) -> Iterator[str]:
    """What is wrong with the services that a route leads to."""
    there = endpoints(envoy.home)
    for service, port, weight in destinations(record.body()["spec"]):
        found = there.get(cluster_name(service, port))
        name = f"port {port} of {service}" if port else service
        if not weight:
            continue
        if found is None:
            yield f"Envoy does not know {name}"
        elif not found.endpoints:
            yield f"{name} has no endpoints: the service does not run, or has no such port"
        elif not found.healthy:
            yield f"none of the {found.endpoints} endpoints of {name} is healthy"
