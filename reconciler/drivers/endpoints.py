"""Where services are reached, as files that every Envoy of the registry follows by itself (EDS, one file a cluster).

A service has a cluster for each of its ports, and one without a port's name for its first port. Who starts services
publishes; a file is never taken away again, because an Envoy keeps what it read last when the file is gone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from reconciler.drivers.atomic import Folder, open_folder
from reconciler.drivers.names import file_name
from reconciler.model.address import Address

FOLDER = "endpoints"
Endpoint = tuple[str, int]
"""An IP address and a port."""
_TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
_MODE = 0o644


def publish(run: Path, address: Address, endpoints: Mapping[str, Sequence[Endpoint]]) -> None:
    """Makes `endpoints` the ones of the service `address`, by the names of its ports, the first port first. A port
    that is not among them any more has none. `run` is the site's folder. Raises OSError."""
    first = next(iter(endpoints.values()), ())
    with _locked(run) as folder:
        wanted = dict.fromkeys(_published(folder, address), ()) | {"": first} | dict(endpoints)
        for port, found in wanted.items():
            name, data = file_of(address, port), _render(cluster_name(address, port), found)
            if not _stands(folder, name, data):
                folder.write(name, data, _MODE)


def withdraw(run: Path, address: Address) -> None:
    """Leaves the service `address` without endpoints. Raises OSError."""
    publish(run, address, {})


def ensure(run: Path, clusters: Mapping[str, tuple[Address, str]]) -> None:
    """Gives each of `clusters` (service and port, by the cluster's name) that was never published a file without
    endpoints. Raises OSError."""
    with _locked(run) as folder:
        there = frozenset(folder.names())
        for cluster, (address, port) in clusters.items():
            if file_of(address, port) not in there:
                folder.write(file_of(address, port), _render(cluster, ()), _MODE)


def cluster_name(address: Address, port: str = "") -> str:
    """What Envoy knows the port `port` of a service by; its first port without one."""
    return f"{address}#{port}" if port else address


def file_of(address: Address, port: str = "") -> str:
    """The file below the folder of endpoints that holds those of `cluster_name(address, port)`."""
    stem = file_name(address)
    return f"{stem}+{port}.json" if port else f"{stem}.json"


def _published(folder: Folder, address: Address) -> list[str]:
    """The ports that the service has files for, "" among them where there is one for its first port."""
    stem, end = file_name(address), ".json"
    names = [name.removesuffix(end) for name in folder.names() if name.endswith(end)]
    return [name[len(stem) + 1 :] for name in names if name == stem or name.startswith(f"{stem}+")]


def _stands(folder: Folder, name: str, data: bytes) -> bool:
    found = folder.read(name)
    return found is not None and found.data == data


def _render(cluster: str, endpoints: Sequence[Endpoint]) -> bytes:
    located = [{"endpoint": {"address": socket_address(host, port)}} for host, port in endpoints]
    groups: list[Any] = [{"lb_endpoints": located}] if located else []
    assignment = {"@type": _TYPE, "cluster_name": cluster, "endpoints": groups}
    return orjson.dumps({"resources": [assignment]}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def socket_address(host: str, port: int) -> dict[str, Any]:
    """`host` and `port` as Envoy writes an address."""
    return {"socket_address": {"address": host, "port_value": port}}


@contextmanager
def _locked(run: Path) -> Iterator[Folder]:
    """The folder of endpoints, by one thread of one process at a time."""
    place = run / FOLDER
    with open_folder(place, create=True) as folder:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(descriptor)
