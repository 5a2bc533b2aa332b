"""`ureg lifecycle` for the built-in kinds, and what the commands of running components load."""

from __future__ import annotations

import subprocess
import sys

import pytest
from manifests import component
from repository import ROOT, Repository


def test_a_lifecycle_by_any_name_of_its_kind(repository: Repository) -> None:
    text = repository.ureg("lifecycle", "svc")
    assert text == repository.ureg("lifecycle", "Service")
    assert text.startswith("Service (services, svc), driver ")
    assert "  running (default)" in text
    assert "restart (on demand)" in text
    assert repository.ureg("lifecycle", "svc", "-o", "dot").startswith('digraph "Service" {\n')
    assert repository.ureg("lifecycle", "svc", "-o", "mermaid").startswith("stateDiagram-v2\n")


def test_an_unknown_kind(repository: Repository) -> None:
    words = repository.refused("lifecycle", "servise")
    assert "There is no kind 'servise'" in words
    assert "Did you mean service?" in words


@pytest.mark.parametrize("command", [("drift",), ("health",), ("lifecycle", "component"), ("logs", "component/a")])
def test_a_command_loads_only_what_it_needs(repository: Repository, command: tuple[str, ...]) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    repository.ureg("apply", "-auto-approve")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, cli; cli.run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)",
            *command,
        ],
        cwd=repository.root,
        env={**repository.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"concurrent", "deepdiff", "difflib", "git", "jsonschema", "jsonschema_rs", "psycopg", "pydantic", "ruamel"}
    assert heavy & set(done.stderr.split()) == set()
