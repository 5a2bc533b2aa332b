"""The same estate for Terraform: one `terraform_data` a component, which needs no provider from anywhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.components import Component
from benchmarks.measure import Task

LARGEST_APPLY = 1_000
"""Terraform's apply is quadratic: 1,000 take over a minute and 10,000 two hours, so larger ones are left out."""


def version() -> str:
    """The version of the `terraform` on PATH, "" where there is none."""
    if shutil.which("terraform") is None:
        return ""
    shown = subprocess.run(["terraform", "version", "-json"], capture_output=True, check=True)
    return str(json.loads(shown.stdout)["terraform_version"])


class Workspace:
    """A folder with a configuration, and with the state that applying it would leave."""

    def __init__(self, root: Path, components: Iterator[Component], release: str) -> None:
        self._root = root
        self._release = release
        self._components = list(components)
        self._edits = 0
        root.mkdir(parents=True)
        self._configure()

    def tasks(self) -> Iterator[Task]:
        """What is measured, in an order in which each finds what it needs."""
        yield self._task("validate", "validate", before=self._forget)
        yield self._task("plan", "plan", "-detailed-exitcode", before=self._forget, expect=2)
        if len(self._components) <= LARGEST_APPLY:
            yield self._task("apply of all", "apply", "-auto-approve", before=self._forget, warmup=0)
        yield self._task("no-op plan", "plan", "-detailed-exitcode", before=self._record)
        yield self._task("plan, 1 changed", "plan", "-detailed-exitcode", before=self._edit, expect=2)
        yield self._task("apply, 1 changed", "apply", "-auto-approve", before=self._edit, warmup=0)

    def _task(self, name: str, command: str, *flags: str, **more: Any) -> Task:
        quiet = [] if command == "validate" else ["-input=false"]
        return Task(name, ["terraform", command, "-no-color", *quiet, *flags], self._root, **more)

    def _configure(self) -> None:
        blocks = "\n".join(map(_block, self._components))
        (self._root / "main.tf").write_text(blocks, encoding="utf-8")
        subprocess.run(["terraform", "init"], cwd=self._root, check=True, capture_output=True)

    def _edit(self) -> None:
        self._edits += 1
        self._components[-1] = self._components[-1].edited(self._edits)
        blocks = "\n".join(map(_block, self._components))
        (self._root / "main.tf").write_text(blocks, encoding="utf-8")

    def _forget(self) -> None:
        for state in self._root.glob("terraform.tfstate*"):
            state.unlink()

    def _record(self) -> None:
        """Writes the state directly: applying 10,000 would take hours."""
        state = {
            "version": 4,
            "terraform_version": self._release,
            "serial": 1,
            "lineage": str(uuid.UUID(int=len(self._components))),
            "outputs": {},
            "resources": [_recorded(component) for component in self._components],
            "check_results": None,
        }
        (self._root / "terraform.tfstate").write_text(json.dumps(state), encoding="utf-8")


def _block(component: Component) -> str:
    needs = ", ".join(f"terraform_data.{need}" for need in component.needs)
    return f"""resource "terraform_data" "{component.name}" {{
  input      = {json.dumps(component.manifest(), indent=2)}
  depends_on = [{needs}]
}}
"""


def _recorded(component: Component) -> Mapping[str, Any]:
    manifest = component.manifest()
    value = {"value": manifest, "type": _type(manifest)}
    attributes = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, component.name)),
        "input": value,
        "output": value,
        "triggers_replace": None,
    }
    instance = {
        "schema_version": 0,
        "attributes": attributes,
        "sensitive_attributes": [],
        "dependencies": [f"terraform_data.{need}" for need in component.needs],
    }
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": component.name,
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": [instance],
    }


def _type(value: Any) -> Any:
    """The type of `value` as Terraform's state writes it."""
    if isinstance(value, dict):
        return ["object", {key: _type(item) for key, item in value.items()}]
    if isinstance(value, list):
        return ["tuple", [_type(item) for item in value]]
    return "number" if isinstance(value, int) else "string"
