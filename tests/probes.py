"""A registry of Probes: components whose world lies in files that a test changes behind the driver's back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from repository import ROOT, Repository

_SCHEMA = {
    "$id": "probe.schema.json",
    "title": "Probe",
    "description": "Something that runs.",
    "x-ureg": {
        "kind": "Probe",
        "plural": "probes",
        "driver": "probe",
        "lifecycle": {
            "states": ["off", "on"],
            "default": "on",
            "verbs": {
                "add": {"from": "absent", "to": "off"},
                "start": {"from": "off", "to": "on"},
                "stop": {"from": "on", "to": "off"},
                "remove": {"from": "off", "to": "absent"},
                "update": {"from": ["on", "off"]},
                "restart": {"from": "on", "onDemand": True},
            },
        },
    },
    "type": "object",
    "properties": {
        "apiVersion": {"const": "ureg/v1"},
        "kind": {"const": "Probe"},
        "metadata": {"$ref": "common.schema.json#/$defs/metadata"},
        "state": {"enum": ["off", "on"], "default": "on"},
        "spec": {"type": "object"},
    },
}


class Probes:
    """Probes in `repository`; `names` are applied at once."""

    def __init__(self, repository: Repository, *names: str) -> None:
        self.repository = repository
        site = Path(__file__).with_name("probe_site")
        repository.environment["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT)])
        repository.write("schemas/probe.schema.json", json.dumps(_SCHEMA))
        repository.write(".gitignore", ".ureg/\nworld/\n")
        for name in names:
            self.ask(name, n=1)
        repository.commit()
        if names:
            repository.ureg("apply", "-auto-approve")

    def ask(self, name: str, state: str = "on", depends_on: tuple[str, ...] = (), **spec: Any) -> None:
        """Writes the manifest of probe/NAME."""
        document = {
            "apiVersion": "ureg/v1",
            "kind": "Probe",
            "metadata": {"name": name, "dependsOn": list(depends_on)},
            "state": state,
            "spec": spec,
        }
        self.repository.write(f"registry.d/{name}.yaml", json.dumps(document))

    def there(self, name: str) -> dict[str, Any]:
        """What is there of probe/NAME."""
        value: dict[str, Any] = json.loads((self.repository.root / f"world/{name}.json").read_bytes())
        return value

    def change(self, name: str, **facts: Any) -> None:
        """Changes what is there of probe/NAME, or how its driver behaves, behind the back of ureg."""
        self.repository.write(f"world/{name}.json", json.dumps({**self.there(name), **facts}))

    def log(self, name: str, text: str) -> None:
        with (self.repository.root / f"world/{name}.log").open("a", encoding="utf-8") as file:
            file.write(text)
