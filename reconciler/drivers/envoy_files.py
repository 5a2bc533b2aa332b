"""The folder of a mesh: what it is made from, and the files that its Envoy reads.

Envoy runs in this folder, so that the paths in its configuration are short and follow the registry when it is moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from reconciler.drivers import endpoints
from reconciler.drivers.atomic import Folder
from reconciler.drivers.envoy_clusters import clusters
from reconciler.drivers.envoy_listener import listener
from reconciler.drivers.envoy_parts import Json, Mesh, extension, from_file
from reconciler.drivers.envoy_routes import NAME as ROUTES
from reconciler.drivers.envoy_routes import route_configuration
from reconciler.drivers.names import file_name
from reconciler.model.address import Address

FOLDER = "mesh"
SOURCES = "sources.json"
"""The specs of the mesh and of its enabled routes: the driver's own index, which all other files follow from."""
BOOTSTRAP = "bootstrap.json"
CANDIDATE = "candidate.json"
"""What is to be validated; there only as long as that takes."""
SOCKET = "admin.sock"
LISTENERS, CLUSTERS, ROUTING = "lds.json", "cds.json", "rds.json"
DYNAMIC = (CLUSTERS, LISTENERS, ROUTING)
MODE = 0o600
_CONNECTIONS = extension(
    "resource_monitors.global_downstream_max_connections",
    "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
    {"max_active_downstream_connections": 10_000},
)
"""Callers beyond these are turned away, so that none of those inside suffers."""
_ENDPOINTS = f"../../{endpoints.FOLDER}"


class Sources(NamedTuple):
    """The spec of the mesh, None unless it is enabled, and those of its enabled routes."""

    mesh: Mapping[str, Any] | None
    routes: Mapping[Address, Mapping[str, Any]]

    def of(self, address: Address) -> Mesh | None:
        return None if self.mesh is None else Mesh(address, self.mesh, self.routes)


def home(run: Path, mesh: Address) -> Path:
    """The folder of the mesh `mesh`, below the site's folder `run`."""
    return run / FOLDER / file_name(mesh)


def load_sources(folder: Folder) -> Sources:
    """A damaged index counts as empty: then everything in it is missed, and comes back with the next apply."""
    found = folder.read(SOURCES)
    try:
        value = orjson.loads(found.data) if found else {}
        return Sources(value.get("mesh"), dict(value.get("routes", {})))
    except (ValueError, TypeError, AttributeError):
        return Sources(None, {})


def save_sources(folder: Folder, sources: Sources) -> None:
    if sources == Sources(None, {}):
        folder.remove(SOURCES)
    else:
        folder.write(SOURCES, _dump(sources._asdict()), MODE)


def documents(mesh: Mesh) -> dict[str, bytes]:
    """The dynamic files by their names."""
    routes = {"rds": {"route_config_name": ROUTES, "config_source": from_file(f"./{ROUTING}")}}
    return {
        CLUSTERS: document(clusters(mesh, _ENDPOINTS)),
        LISTENERS: document([listener(mesh, routes)]),
        ROUTING: document([route_configuration(mesh)]),
    }


def document(resources: list[Json]) -> bytes:
    """`resources` as a dynamic file, whose version is a digest of them."""
    version = blake2b(orjson.dumps(resources, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    return _dump({"version_info": version, "resources": resources})


def resources_of(data: bytes) -> list[Json]:
    """The resources in a dynamic file; none in a damaged one."""
    try:
        found: list[Json] = orjson.loads(data)["resources"]
    except (ValueError, KeyError, TypeError):
        return []
    return found


def version_of(data: bytes) -> str:
    """The version of a dynamic file of ours; "" for a damaged one."""
    try:
        return str(orjson.loads(data)["version_info"])
    except (ValueError, KeyError, TypeError):
        return ""


def bootstrap(mesh: Address) -> bytes:
    """What Envoy is started with: who it is, and where the rest stands."""
    return _dump(
        {
            "node": {"id": mesh, "cluster": "ureg"},
            "admin": {"address": {"pipe": {"path": SOCKET, "mode": MODE}}},
            "overload_manager": {"resource_monitors": [_CONNECTIONS]},
            "dynamic_resources": {"lds_config": from_file(f"./{LISTENERS}"), "cds_config": from_file(f"./{CLUSTERS}")},
        }
    )


def candidate(mesh: Mesh) -> bytes:
    """All resources as static ones, because that is what Envoy validates."""
    static = {
        "listeners": [_untyped(listener(mesh, {"route_config": _untyped(route_configuration(mesh))}))],
        "clusters": [_without_endpoints(_untyped(cluster)) for cluster in clusters(mesh, _ENDPOINTS)],
    }
    return _dump({"node": {"id": mesh.address, "cluster": "ureg"}, "static_resources": static})


def _without_endpoints(cluster: Json) -> Json:
    """Envoy would watch a file of endpoints even while it validates, which a system may forbid."""
    if cluster["type"] != "EDS":
        return cluster
    fixed = {"type": "STATIC", "load_assignment": {"cluster_name": cluster["name"]}}
    return {key: value for key, value in cluster.items() if key != "eds_cluster_config"} | fixed


def _untyped(message: Json) -> Json:
    return {key: value for key, value in message.items() if key != "@type"}


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
