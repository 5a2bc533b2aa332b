"""A route that Envoy refuses, by the real command line: it fails alone, and a later apply heals it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from drivers.process.world import free_port
from repository import Repository


@pytest.fixture
def meshed(repository: Repository) -> Iterator[Repository]:
    """A registry with a mesh, and a service to lead to."""
    write(repository, "Mesh", "edge", {"listen": {"address": "127.0.0.1", "port": free_port()}})
    write(
        repository, "Service", "web", {"command": ["sleep", "1000"], "ports": [{"name": "http", "port": free_port()}]}
    )
    yield repository
    repository.ureg("destroy", "-auto-approve")


def write(repository: Repository, kind: str, name: str, spec: object) -> None:
    document = {"apiVersion": "ureg/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    repository.write(f"registry.d/{kind.lower()}-{name}.yaml", json.dumps(document))


def route(repository: Repository, name: str, weight: int) -> None:
    destinations = [{"service": "web", "weight": weight}]
    write(repository, "Route", name, {"mesh": "edge", "host": f"{name}.test", "destinations": destinations})


def facts(repository: Repository, address: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(repository.ureg("get", address, "-o", "json"))
    return found


def test_it_fails_alone_and_is_healed_later(meshed: Repository) -> None:
    route(meshed, "good", 1)
    route(meshed, "bad", 0)
    said = meshed.ureg("apply", "-auto-approve", code=1)
    assert "route/bad: enable failed: Envoy refuses the configuration: Sum of weights" in said
    assert "Resources: 3 added" in said
    assert (facts(meshed, "route/bad")["status"], facts(meshed, "route/good")["status"]) == ("failed", "ok")
    route(meshed, "bad", 1)
    meshed.ureg("apply", "-auto-approve")
    assert facts(meshed, "route/bad")["status"] == "ok"
    assert "No changes." in meshed.ureg("plan")
