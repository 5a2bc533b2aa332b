"""Checks across components, at the command line: nothing is planned while two want one port or versions do not meet."""

from __future__ import annotations

import json

import pytest
from repository import Repository

SERVICE = """apiVersion: ureg/v1
kind: Service
metadata: {{name: {name}}}
state: {state}
spec:
  command: [sleep, "60"]
  ports:
    - {{name: http, port: {port}, protocol: {protocol}}}
"""
PLUGIN = """apiVersion: ureg/v1
kind: Plugin
metadata: {{name: {name}}}
state: {state}
spec:
  version: {version}
  feature: DATA
  package: {{name: {name}}}
  dependencies: [{needs}]
"""
FEATURE = """apiVersion: ureg/v1
kind: Feature
metadata: {name: dark}
spec:
  variants: {"on": true, "off": false}
  defaultVariant: of
  environments:
    prod: {defaultVariant: live}
"""


def service(name: str, port: int, state: str = "running", protocol: str = "http") -> str:
    return SERVICE.format(name=name, port=port, state=state, protocol=protocol)


def plugin(name: str, version: str, needs: str = "", state: str = "installed") -> str:
    return PLUGIN.format(name=name, version=version, needs=needs, state=state)


def test_two_services_that_want_one_port(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", service("a", 8080))
    repository.write("registry.d/b.yaml", service("b", 8080, protocol="grpc"))
    text = repository.refused("plan")
    assert "Error: service/b wants the port 8080, which service/a has." in text
    assert "on registry.d/b.yaml:8:26" in text
    assert "at registry.d/a.yaml:8:26" in text
    assert "Both are on node local, transport tcp." in text
    repository.write("registry.d/b.yaml", service("b", 8080, state="stopped"))
    repository.ureg("validate")
    repository.write("registry.d/b.yaml", service("b", 8080, protocol="udp"))
    repository.ureg("validate")


def test_a_mesh_and_a_service_that_want_one_port(repository: Repository) -> None:
    mesh = "apiVersion: ureg/v1\nkind: Mesh\nmetadata: {{name: edge}}\nspec: {{listen: {{port: {port}}}}}\n"
    repository.write("registry.d/a.yaml", service("a", 8080))
    repository.write("registry.d/b.yaml", mesh.format(port=8080))
    assert "mesh/edge wants the port 8080, which service/a has" in repository.refused("validate")
    repository.write("registry.d/b.yaml", mesh.format(port=8081))
    repository.ureg("validate")


def test_plugins_whose_versions_do_not_meet(repository: Repository) -> None:
    repository.write("registry.d/base.yaml", plugin("base", "1.4.0"))
    repository.write("registry.d/a.yaml", plugin("a", "1.0.0", '{plugin: base, version: ">=1,<2"}'))
    repository.ureg("validate")
    repository.write("registry.d/b.yaml", plugin("b", "1.0.0", '{plugin: base, version: "~=2.1"}'))
    text = repository.refused("plan")
    assert "plugin/base has the version 1.4.0, which does not do for all who need it" in text
    assert "plugin/b wants ~=2.1; plugin/a wants >=1,<2." in text
    assert "help: No version does for all of them: one of them has to change." in text


def test_every_plan_warns_of_what_is_deprecated_and_needed(repository: Repository) -> None:
    repository.write("registry.d/base.yaml", plugin("base", "1.4.0", state="deprecated"))
    repository.write("registry.d/a.yaml", plugin("a", "1.0.0", "{plugin: base}"))
    for _ in range(2):
        for command in ("validate", "plan"):
            done = repository.run(command)
            assert done.returncode == 0
            assert "Warning: plugin/base is deprecated, and plugin/a depends on it." in done.stderr
            assert "at registry.d/base.yaml:4:8" in done.stderr
    document = json.loads(repository.ureg("validate", "-json"))
    assert (document["valid"], document["warning_count"]) == (True, 1)


def test_a_flag_with_dangling_variants(repository: Repository) -> None:
    repository.write("registry.d/f.yaml", FEATURE)
    text = repository.refused("validate")
    assert 'Error: "spec.defaultVariant" must be a key of "variants", not "of".' in text
    assert "on registry.d/f.yaml:6:19" in text
    assert 'Error: "spec.environments.prod.defaultVariant" must be a key of "variants", not "live".' in text
    assert "on registry.d/f.yaml:8:28" in text


@pytest.mark.parametrize("version", ["^1.2", "~1.2"])
def test_ranges_are_python_s(repository: Repository, version: str) -> None:
    repository.write("registry.d/a.yaml", plugin("a", "1.0.0", f'{{plugin: a, version: "{version}"}}'))
    assert "Comparisons as in Python's version specifiers" in repository.refused("validate")
