"""The door of a mesh as Envoy's listener: where it listens, what it logs and what it traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.drivers.endpoints import socket_address
from reconciler.drivers.envoy_clusters import COLLECTOR, collector_url
from reconciler.drivers.envoy_parts import Json, Mesh, extension, typed

NAME = "mesh"
STATISTICS = "mesh"
"""What the names of the listener's statistics begin with."""
ADDRESS = "127.0.0.1"
_ACCESS_LOG = {
    "time": "%START_TIME%",
    "route": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "service": "%UPSTREAM_CLUSTER%",
    "endpoint": "%UPSTREAM_HOST%",
    "milliseconds": "%DURATION%",
}


def listener(mesh: Mesh, routes: Mapping[str, Any]) -> Json:
    """`routes` says where the routes are: in themselves (`route_config`), or in a file (`rds`)."""
    listen = mesh.spec["listen"]
    connections: Json = {
        "stat_prefix": STATISTICS,
        "use_remote_address": True,
        "normalize_path": True,
        **routes,
        "access_log": [
            extension(
                "access_loggers.stdout",
                "access_loggers.stream.v3.StdoutAccessLog",
                {"log_format": {"json_format": _ACCESS_LOG}},
            )
        ],
        "http_filters": [extension("filters.http.router", "filters.http.router.v3.Router")],
    }
    if mesh.spec.get("tracing", {}).get("enabled"):
        connections["tracing"] = _tracing(mesh)
    manager = extension(
        "filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        connections,
    )
    fields = {
        "name": NAME,
        "address": socket_address(listen.get("address", ADDRESS), listen["port"]),
        # With it, a second Envoy on the same port would silently take a share of the requests.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [manager]}],
    }
    return typed("config.listener.v3.Listener", fields)


def _tracing(mesh: Mesh) -> Json:
    tracing = mesh.spec["tracing"]
    uri = {"uri": collector_url(tracing), "cluster": COLLECTOR, "timeout": "2s"}
    settings = {"http_service": {"http_uri": uri}, "service_name": mesh.address}
    return {
        "random_sampling": {"value": tracing.get("samplePercent", 100)},
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": typed("config.trace.v3.OpenTelemetryConfig", settings),
        },
    }
