"""The recorded state through the command line: looking, moving, forgetting, adopting."""

from __future__ import annotations

import json
import stat

import pytest
from manifests import component
from repository import Repository


@pytest.fixture
def applied(repository: Repository) -> Repository:
    repository.write("registry.d/base.yaml", component("base"))
    repository.write("registry.d/top.yaml", component("top", depends_on=["component/base"]))
    repository.commit()
    repository.ureg("apply", "-auto-approve")
    return repository


def test_pull_prints_the_state_as_documented(applied: Repository) -> None:
    state = json.loads(applied.ureg("state", "pull"))
    assert state["version"] == 1
    assert state["serial"] > 0
    assert state["lineage"]
    base, top = state["resources"]
    assert (base["address"], base["kind"], base["name"]) == ("component/base", "Component", "base")
    assert (base["state"], base["status"], base["spec"]["owner"]) == ("enabled", "ok", "me")
    assert top["dependencies"] == ["component/base"]


def test_the_state_is_for_its_owner_only(applied: Repository) -> None:
    state = applied.root / ".ureg/state.db"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700


def test_mv_follows_a_rename_without_acting(applied: Repository) -> None:
    applied.ureg("state", "mv", "component/base", "component/ground")
    (applied.root / "registry.d/base.yaml").unlink()
    applied.write("registry.d/ground.yaml", component("ground"))
    applied.write("registry.d/top.yaml", component("top", depends_on=["component/ground"]))
    assert "to add" not in (out := applied.ureg("plan")) or "0 to add" in out
    assert "0 to destroy" in out
    assert "component/nothing" in applied.refused("state", "mv", "component/nothing", "component/x")
    assert "recorded already" in applied.refused("state", "mv", "component/top", "component/ground")


def test_rm_forgets_and_import_adopts(applied: Repository) -> None:
    applied.ureg("state", "rm", "component/top")
    assert applied.ureg("state", "list") == "component/base\n"
    assert "Plan: 1 to add" in applied.ureg("plan")
    applied.ureg("import", "component/top")
    assert "No changes." in applied.ureg("plan")
    assert "recorded already" in applied.refused("import", "component/top")
    assert "component/none" in applied.refused("import", "component/none")


def test_get_lists_filters_and_prints_data(applied: Repository) -> None:
    assert "component/base" in applied.ureg("get")
    assert "component/top" in applied.ureg("get", "comp")
    assert json.loads(applied.ureg("get", "component", "top", "-o", "json"))["name"] == "top"
    assert "name: top" in applied.ureg("get", "component/top", "-o", "yaml")
    assert "Did you mean" in applied.refused("get", "componant")
    assert "component/none" in applied.refused("get", "component", "none")


def test_show_tells_everything_of_one_component(applied: Repository) -> None:
    out = applied.ureg("state", "show", "component/top")
    assert "registry.d/top.yaml:1" in out
    assert "component/base" in out
    assert applied.git("rev-parse", "HEAD") in out


def test_graph_in_both_languages(applied: Repository) -> None:
    assert '"component/top" -> "component/base"' in applied.ureg("graph")
    assert applied.ureg("graph", "-format=mermaid").startswith("flowchart")


def test_refresh_only_takes_the_world_into_the_record(repository: Repository) -> None:
    repository.write("registry.d/c.yaml", CONFIG)
    repository.ureg("apply", "-auto-approve")
    (repository.root / ".ureg/out/app.json").unlink()
    assert "0 to add" not in repository.ureg("plan", "-refresh=false")
    assert "Plan: 1 to add" in repository.ureg("plan")
    repository.ureg("apply", "-refresh-only", "-auto-approve")
    assert repository.ureg("state", "list") == ""
    assert "1 added" in repository.ureg("apply", "-auto-approve")
    assert (repository.root / ".ureg/out/app.json").exists()


def test_drift_of_a_file_is_seen_and_mended(repository: Repository) -> None:
    repository.write("registry.d/c.yaml", CONFIG)
    repository.ureg("apply", "-auto-approve")
    rendered = repository.root / ".ureg/out/app.json"
    before = rendered.read_bytes()
    rendered.write_bytes(b"{}")
    out = repository.ureg("plan", "-detailed-exitcode", code=2)
    assert "config/app" in out
    repository.ureg("apply", "-auto-approve")
    assert rendered.read_bytes() == before
    assert "No changes." in repository.ureg("plan")


CONFIG = """\
apiVersion: ureg/v1
kind: Config
metadata:
  name: app
spec:
  format: json
  path: app.json
  values:
    port: 8080
"""
