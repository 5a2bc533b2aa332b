"""A command pays only for what it uses."""

from __future__ import annotations

import subprocess
import sys

import pytest
from manifests import component
from repository import ROOT, Repository

HEAVY = {
    "deepdiff", "git", "jsonschema", "jsonschema_rs", "openfeature", "pydantic", "referencing", "ruamel", "tomli_w",
    "watchfiles", "yaml_rs",
}  # fmt: skip


def imported(repository: Repository, *args: str) -> set[str]:
    """The top-level packages that `ureg args` loads."""
    script = "import sys, cli; cli.run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script, *args],
        cwd=repository.root,
        env={**repository.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_version_imports_next_to_nothing(repository: Repository) -> None:
    assert not imported(repository, "version") & (HEAVY | {"sqlite3", "orjson", "subprocess"})


@pytest.mark.parametrize("settings", ["", "parallelism: 4\n"])
def test_a_warm_plan_imports_no_more_than_it_needs(repository: Repository, settings: str) -> None:
    if settings:
        repository.write("ureg.yaml", settings)
    repository.write("registry.d/a.yaml", component("a"))
    repository.ureg("apply", "-auto-approve")
    too_much = HEAVY | {"concurrent", "difflib", "tempfile"}
    assert imported(repository, "plan") & too_much == set()
