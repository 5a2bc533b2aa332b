"""Components that want one port, where labels say which node they are on."""

from __future__ import annotations

import json

import pytest
from repository import Repository

ZONE = {"labels": {"zone": "eu"}}


@pytest.fixture
def labelled(repository: Repository) -> Repository:
    """A registry whose one node has labels, and a service that asks for them."""
    write(repository, "GridNode", "local", ZONE)
    service(repository, "a", 8080, ZONE)
    return repository


def write(repository: Repository, kind: str, name: str, spec: object) -> None:
    document = {"apiVersion": "ureg/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    repository.write(f"registry.d/{name}.yaml", json.dumps(document))


def service(repository: Repository, name: str, port: int, node: object = None) -> None:
    spec = {"command": ["true"], "ports": [{"name": "http", "port": port}], **({"node": node} if node else {})}
    write(repository, "Service", name, spec)


@pytest.mark.parametrize("node", [ZONE, "local", None])
def test_two_that_come_to_want_one_port_have_no_plan(labelled: Repository, node: object) -> None:
    service(labelled, "b", 8081, node)
    assert "3 to add" in labelled.ureg("plan")
    service(labelled, "b", 8080, node)
    for command in (("plan",), ("plan", "-refresh=false"), ("drift",), ("import", "service/a")):
        told = labelled.run(*command).stderr
        assert "wants the port 8080, which service/" in told
        assert "Both are on node local, transport tcp." in told
        assert "registry.d/a.yaml:1:" in told and "registry.d/b.yaml:1:" in told
    assert labelled.ureg("state", "list") == ""


def test_what_is_placed_is_not_read_again_in_the_next_plan(labelled: Repository) -> None:
    labelled.ureg("plan")
    (kept,) = (labelled.root.parent / "cache").rglob("claims")
    before = kept.stat()
    labelled.ureg("plan")
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
