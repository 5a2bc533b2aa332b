"""Asks a running Envoy, over its administration socket, what it took of its files and how its services are."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import orjson

from reconciler.drivers.envoy_files import CLUSTERS, LISTENERS, ROUTING, SOCKET
from reconciler.drivers.envoy_listener import STATISTICS
from reconciler.drivers.envoy_routes import NAME as ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPConnection

_PATIENCE = 5.0
"""Seconds that an answer may take."""
_OK = 200
_SCOPES = {
    CLUSTERS: "cluster_manager.cds",
    LISTENERS: "listener_manager.lds",
    ROUTING: f"http.{STATISTICS}.rds.{ROUTES}",
}
"""What the statistics of each dynamic file begin with."""
_WARMING = "cluster_manager.warming_clusters"
_LISTENING = "listener_manager.total_listeners_active"
_FILTER = "|".join(
    [rf"^{re.escape(scope)}\.(version_text|update_rejected|update_failure)$" for scope in _SCOPES.values()]
    + [f"^{re.escape(name)}$" for name in (_WARMING, _LISTENING)]
)


class Status(NamedTuple):
    """What an Envoy took: the version of each dynamic file, how often it refused a new one, the clusters that it still
    gets to know, and the ports that it listens on."""

    versions: Mapping[str, str]
    refused: Mapping[str, int]
    warming: int
    listening: int


class Cluster(NamedTuple):
    """The endpoints of a service's port, and how many of them get requests."""

    endpoints: int
    healthy: int


def status(home: Path) -> Status:
    """Raises OSError where no Envoy of the mesh in `home` answers."""
    answer = orjson.loads(_get(home, f"/stats?format=json&filter={quote(_FILTER)}"))
    found = {each["name"]: each["value"] for each in answer["stats"] if "name" in each}
    return Status(
        {file: str(found.get(f"{scope}.version_text", "")) for file, scope in _SCOPES.items()},
        {file: _refused(found, scope) for file, scope in _SCOPES.items()},
        int(found.get(_WARMING, 0)),
        int(found.get(_LISTENING, 0)),
    )


def endpoints(home: Path) -> dict[str, Cluster]:
    """The clusters by their names. Raises OSError where no Envoy answers."""
    answer = orjson.loads(_get(home, "/clusters?format=json"))
    return {each["name"]: _cluster(each.get("host_statuses", ())) for each in answer.get("cluster_statuses", ())}


def _refused(found: Mapping[str, Any], scope: str) -> int:
    return int(found.get(f"{scope}.update_rejected", 0)) + int(found.get(f"{scope}.update_failure", 0))


def _cluster(hosts: Any) -> Cluster:
    return Cluster(len(hosts), sum(_is_healthy(host.get("health_status", {})) for host in hosts))


def _is_healthy(health: Mapping[str, Any]) -> bool:
    """Every other field of a host's health says why it gets no requests."""
    return not any(value for name, value in health.items() if name != "eds_health_status")


def _get(home: Path, path: str) -> bytes:
    from http.client import HTTPException

    try:
        with _connection(home) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
    except HTTPException as error:
        raise ConnectionError(f"Envoy's answer cannot be read: {error!r}") from error
    if response.status != _OK:
        raise ConnectionError(f"Envoy answers {response.status} for {path.partition('?')[0]}")
    return body


@contextmanager
def _connection(home: Path) -> Iterator[HTTPConnection]:
    from http.client import HTTPConnection

    connection = HTTPConnection("envoy", timeout=_PATIENCE)
    connection.sock = _connect(home)
    try:
        yield connection
    finally:
        connection.close()


def _connect(home: Path) -> socket.socket:
    """The path of a socket has at most 107 bytes, so it is reached through the open folder."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(_PATIENCE)
        place = f"/proc/self/fd/{folder}" if sys.platform == "linux" else home
        link.connect(f"{place}/{SOCKET}")
    except BaseException:
        link.close()
        raise
    finally:
        os.close(folder)
    return link
