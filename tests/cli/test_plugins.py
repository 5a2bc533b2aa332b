"""Plugins through the real command line: what fails, fails alone, and is healed by the next apply."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from drivers.wheels import environment, source, wheel
from repository import Repository


def manifest(name: str, package: str, version: str = "1.0.0", state: str = "active") -> str:
    head = f"apiVersion: ureg/v1\nkind: Plugin\nmetadata: {{name: {name}}}\nstate: {state}\n"
    return f'{head}spec: {{version: "{version}", feature: DATA, package: {package}}}\n'


@pytest.fixture
def house(repository: Repository, tmp_path: Path) -> Path:
    folder = tmp_path / "house"
    folder.mkdir()
    repository.environment |= environment(folder, tmp_path / "uv-cache")
    return folder


def test_a_bad_plugin_fails_alone_and_a_later_apply_heals_it(repository: Repository, house: Path) -> None:
    wheel(repository.root / "wheels", "shop-notes", "1.0.0", scripts=["notes"])
    source(repository.root / "plugins/rules", "shop-rules", "1.0.0")
    repository.write("registry.d/notes.yaml", manifest("notes", "{wheel: wheels/shop_notes-1.0.0-py3-none-any.whl}"))
    repository.write("registry.d/rules.yaml", manifest("rules", "{path: plugins/rules}", state="installed"))
    repository.write("registry.d/gone.yaml", manifest("gone", "{name: shop-gone}", version=">=1,<2"))
    said = repository.ureg("apply", "-auto-approve", code=1)
    assert "plugin/gone: install failed: No solution found" in said
    assert "Resources: 2 added" in said
    program = repository.root / ".ureg/run/bin/notes"
    assert subprocess.check_output([program], text=True) == "shop-notes 1.0.0\n"
    wheel(house, "shop-gone", "1.5.0")
    repository.ureg("apply", "-auto-approve")
    assert "No changes." in repository.ureg("plan", "-detailed-exitcode")
    (repository.root / ".ureg/run/bin/notes").unlink()
    assert "bin/notes: not linked" in repository.ureg("plan", "-detailed-exitcode", code=2)
    repository.ureg("apply", "-auto-approve")
    assert program.exists()
    repository.ureg("apply", "-destroy", "-auto-approve")
    assert list((repository.root / ".ureg/run/bin").iterdir()) == []


@pytest.mark.parametrize("version", ["1.0", "latest", ">=", "1.0.0; x", "*"])
def test_a_version_that_is_none_is_an_error_of_the_manifest(repository: Repository, version: str) -> None:
    repository.write("registry.d/notes.yaml", manifest("notes", "{name: shop-notes}", version=version))
    assert "registry.d/notes.yaml" in repository.refused("validate")
