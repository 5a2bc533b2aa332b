"""The manifests of a made-up estate: about 22 lines each, over four kinds.

The kinds are ureg's own, but for the driver: the estate brings their schemas with the driver `record`, so that nothing
is started and ureg alone is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.graph import Node, estate
from benchmarks.yaml_text import write_yaml

Spec: TypeAlias = Mapping[str, Any]

SCHEMAS = Path(__file__).parents[1] / "schemas"
KEPT = ("kind", "plural", "aliases", "lifecycle")
"""What the estate's kinds keep of their block in the schema."""
TEAMS = ("discovery", "commerce", "payments", "platform", "search", "logistics", "identity")


@dataclass(frozen=True, slots=True)
class Component:
    """A component of the estate. `revision` is the number that an edit changes."""

    node: Node
    revision: int = 0

    @property
    def name(self) -> str:
        return _name(self.node.number)

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the components that it depends on."""
        return tuple(map(_name, self.node.needs))

    @property
    def path(self) -> str:
        return f"registry.d/app-{self.node.application:05}/{self.name}.yaml"

    def edited(self, revision: int) -> Component:
        return replace(self, revision=revision)

    def manifest(self) -> Mapping[str, Any]:
        kind, spec = _kind(self.node.number)
        metadata = {
            "name": self.name,
            "labels": {"team": _team(self.node.number), "tier": f"t{self.node.number % 3}"},
            "annotations": {"revision": str(self.revision), "runbook": f"https://runbooks.example.com/{self.name}"},
        }
        if self.node.needs:
            metadata["dependsOn"] = [_address(number) for number in self.node.needs]
        return {"apiVersion": "ureg/v1", "kind": kind, "metadata": metadata, "spec": spec(self.node.number)}

    def yaml(self) -> str:
        return write_yaml(self.manifest())


def components(size: int) -> Iterator[Component]:
    """The first `size` components of the estate."""
    return map(Component, estate(size))


def schemas() -> Iterator[tuple[str, bytes]]:
    """The schema files of the estate's kinds, by name."""
    for kind, _ in KINDS:
        name = f"{kind.lower()}.schema.json"
        schema = json.loads((SCHEMAS / name).read_bytes())
        block = schema["x-ureg"]
        schema["x-ureg"] = {key: block[key] for key in KEPT} | {"driver": "record"}
        yield name, json.dumps(schema, indent=2).encode()


def _component(number: int) -> Spec:
    return {
        "type": "application",
        "owner": _team(number),
        "description": f"Part {number} of what the shop's customers see.",
        "version": f"v{number % 7}.{number % 11}",
        "links": [
            {"title": "Handbook", "url": f"https://handbook.example.com/{number}"},
            {"title": "Dashboard", "url": f"https://graphs.example.com/{number}"},
        ],
    }


def _service(number: int) -> Spec:
    return {
        "description": f"Answers requests of part {number}.",
        "command": ["python", "-m", "answer", f"part-{number}"],
        "replicas": 1 + number % 3,
        "ports": [{"name": "http", "port": 1024 + number // len(KINDS)}],
    }


def _engine(number: int) -> Spec:
    return {
        "description": f"Keeps the rows of part {number}.",
        "engine": "postgres",
        "version": f"v{12 + number % 6}",
        "configuration": {"work_mem": "64MB", "max_connections": 100 + number % 50, "timezone": "UTC"},
        "limits": {"memory": "512Mi", "openFiles": 4096},
    }


def _grid_node(number: int) -> Spec:
    return {
        "description": f"Takes the nightly work of part {number}.",
        "address": f"node-{number}.example.com",
        "labels": {"zone": f"eu-{number % 3}", "disk": "ssd", "cores": f"c{number % 16}", "memory": "large"},
        "capacity": {"slots": 4},
    }


KINDS: tuple[tuple[str, Callable[[int], Spec]], ...] = (
    ("Component", _component),
    ("Service", _service),
    ("Engine", _engine),
    ("GridNode", _grid_node),
)


def _kind(number: int) -> tuple[str, Callable[[int], Spec]]:
    return KINDS[number % len(KINDS)]


def _name(number: int) -> str:
    return f"part-{number:06}"


def _address(number: int) -> str:
    return f"{_kind(number)[0].lower()}/{_name(number)}"


def _team(number: int) -> str:
    return TEAMS[number % len(TEAMS)]
