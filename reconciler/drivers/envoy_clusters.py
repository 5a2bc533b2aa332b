"""The services behind a mesh as Envoy's clusters: how endpoints are found, chosen, checked and left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler.drivers.endpoints import cluster_name, file_of, socket_address
from reconciler.drivers.envoy_parts import Json, Mesh, duration, extension, from_file, typed
from reconciler.drivers.envoy_routes import destinations, policy
from reconciler.model.address import Address, named

COLLECTOR = "ureg-traces"
COLLECTOR_URL = "http://127.0.0.1:4318"
_TYPE = "config.cluster.v3.Cluster"
_CONNECT_TIMEOUT = "2s"
_PORTS = {"http": 80, "https": 443}


def services(mesh: Mesh) -> dict[str, tuple[Address, str]]:
    """The services, with their ports, that routes of the mesh lead to, by the names of their clusters."""
    found = (each for route in mesh.routes.values() for each in destinations(route))
    return dict(sorted((cluster_name(service, port), (service, port)) for service, port, _ in found))


def clusters(mesh: Mesh, endpoints: str) -> list[Json]:
    """`endpoints` is the way to the folder of endpoints from the one that Envoy runs in."""
    found = [_cluster(mesh, service, port, endpoints) for service, port in services(mesh).values()]
    tracing = mesh.spec.get("tracing", {})
    return [*found, _collector(collector_url(tracing))] if tracing.get("enabled") else found


def collector_url(tracing: Mapping[str, Any]) -> str:
    """Where traces go: the endpoint, and the path that OTLP has for traces where it says none."""
    url = str(tracing.get("endpoint", COLLECTOR_URL))
    return url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/v1/traces"


def _cluster(mesh: Mesh, service: Address, port: str, endpoints: str) -> Json:
    fields: Json = {
        "name": cluster_name(service, port),
        "type": "EDS",
        "eds_cluster_config": {"eds_config": from_file(f"{endpoints}/{file_of(service, port)}")},
        "connect_timeout": _CONNECT_TIMEOUT,
        "lb_policy": policy(mesh, service).upper(),
        "typed_extension_protocol_options": {_PROTOCOL: _SAME_PROTOCOL},
        # An endpoint that is no longer published goes at once, and not only when its checks fail.
        "ignore_health_on_host_removal": True,
    }
    if "outlierDetection" in mesh.spec:
        fields["outlier_detection"] = _outliers(mesh.spec["outlierDetection"])
    for check in mesh.spec.get("healthChecks", ()):
        if named("service", check["service"]) == service:
            fields["health_checks"] = [_health_check(check)]
    return typed(_TYPE, fields)


_PROTOCOL = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_SAME_PROTOCOL = typed(
    "extensions.upstreams.http.v3.HttpProtocolOptions",
    {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}},
)
"""A service is spoken to as the caller speaks: so gRPC, which is HTTP/2, gets through beside HTTP/1.1."""


def _outliers(settings: Mapping[str, Any]) -> Json:
    most = settings.get("maxEjectedPercent", 10)
    return {
        "consecutive_5xx": settings.get("consecutiveErrors", 5),
        "enforcing_success_rate": 0,
        "interval": duration(settings.get("interval", "10s")),
        "base_ejection_time": duration(settings.get("ejectionTime", "30s")),
        "max_ejection_percent": most,
        "always_eject_one_host": most > 0,
    }


def _health_check(check: Mapping[str, Any]) -> Json:
    interval = duration(check.get("interval", "10s"))
    return {
        "interval": interval,
        "no_traffic_interval": interval,
        "timeout": duration(check.get("timeout", "2s")),
        "healthy_threshold": check.get("successThreshold", 1),
        "unhealthy_threshold": check.get("failureThreshold", 3),
        **({"http_health_check": {"path": check["path"]}} if "path" in check else {"tcp_health_check": {}}),
    }


def _collector(url: str) -> Json:
    parts = urlsplit(url)
    host = parts.hostname or ""
    where = socket_address(host, parts.port or _PORTS[parts.scheme])
    fields: Json = {
        "name": COLLECTOR,
        "type": "STRICT_DNS",
        "connect_timeout": _CONNECT_TIMEOUT,
        "load_assignment": {
            "cluster_name": COLLECTOR,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": where}}]}],
        },
    }
    if parts.scheme == "https":
        tls = extension("transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext", {"sni": host})
        fields["transport_socket"] = tls
    return typed(_TYPE, fields)
