"""What Envoy's resources have in common: types, durations, the way to a file; and what a manifest refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.model import units
from reconciler.model.address import Address, named

Json = dict[str, Any]
ENABLED = "enabled"


class Mesh(NamedTuple):
    """What a mesh consists of: the `spec` of its manifest, and those of its enabled routes by their addresses."""

    address: Address
    spec: Mapping[str, Any]
    routes: Mapping[Address, Mapping[str, Any]]


def typed(name: str, fields: Mapping[str, Any]) -> Json:
    """A message that names its own type, `name` without the prefix that all of Envoy's have."""
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def extension(name: str, message: str, fields: Mapping[str, Any] | None = None) -> Json:
    """The extension `name` with its settings, a message of the type `message`."""
    return {"name": f"envoy.{name}", "typed_config": typed(f"extensions.{message}", fields or {})}


def from_file(path: str) -> Json:
    """Says that a resource is in the file `path`, and that a new file of that name is read at once."""
    return {"resource_api_version": "V3", "path_config_source": {"path": path}}


def duration(text: str) -> str:
    """A duration of a manifest ("250ms", "5m") as Envoy writes it ("0.25s", "300s")."""
    return f"{units.duration(text):.15g}s"


def is_mesh(kind: str) -> bool:
    return kind.lower() == "mesh"


def mesh_of(address: Address, kind: str, manifest: Mapping[str, Any]) -> Address:
    """The mesh that a component is, or that it is a route of."""
    return address if is_mesh(kind) else named("mesh", manifest["spec"]["mesh"])
