"""This repository's own registry in the hands of tools that were written for Terraform, and of a reader of DOT."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pydot
import pytest
from repository import ROOT, Repository

FEATURE = """\
Feature: What runs can be known and watched
  Scenario: Engines name their version
    Given I have engine defined
    Then it must contain spec
    And it must contain version
  Scenario: Services can be asked how they are
    Given I have service defined
    Then it must contain spec
    And it must contain healthCheck
"""

PLAN = {
    "format_version": str,
    "terraform_version": str,
    "planned_values": dict,
    "resource_drift": list,
    "resource_changes": list,
    "prior_state": dict,
    "configuration": dict,
    "relevant_attributes": list,
    "timestamp": str,
    "applyable": bool,
    "complete": bool,
    "errored": bool,
}
"""The members of a plan, as Terraform documents them."""

ACTIONS = (["no-op"], ["create"], ["update"], ["delete"], ["delete", "create"], ["create", "delete"])
REASONS = {"replace_because_cannot_update", "replace_by_request", "delete_because_no_resource_config"}

RESOURCE = {"addr", "module", "resource", "implied_provider", "resource_type", "resource_name", "resource_key"}
MESSAGES: dict[str, set[str]] = {
    "version": {"terraform", "ui"},
    "planned_change": {"change"},
    "change_summary": {"changes"},
    "apply_start": {"hook"},
    "apply_progress": {"hook"},
    "apply_complete": {"hook"},
    "apply_errored": {"hook"},
    "diagnostic": {"diagnostic"},
}
"""The types of messages that a plan and an apply may write here, with what each must carry."""

STREAM_ACTIONS = {"noop", "create", "update", "replace", "delete"}
STREAM_REASONS = {"requested", "cannot_update", "delete_because_no_resource_config"}


@pytest.fixture
def own(repository: Repository) -> Repository:
    """A copy of this repository's registry, whose kinds only record: nothing of it is started."""
    shutil.copytree(ROOT / "registry.d", repository.root / "registry.d")
    shutil.copy(ROOT / "ureg.yaml", repository.root)
    for path in (ROOT / "schemas").glob("*.schema.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        if "x-ureg" in schema:
            schema["x-ureg"]["driver"] = "record"
            repository.write(f"schemas/{path.name}", json.dumps(schema))
    repository.commit()
    return repository


@pytest.fixture
def changed(own: Repository) -> Repository:
    """The registry after an apply, with one component changed, one to be replaced and one gone."""
    own.ureg("apply", "-auto-approve")
    path = own.root / "registry.d/components/ranking-model.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub("(?m)^  owner: .*$", "  owner: somebody", text), encoding="utf-8")
    (own.root / "registry.d/components/storefront.yaml").unlink()
    return own


def test_terraform_compliance_judges_the_registry(own: Repository) -> None:
    own.ureg("plan", "-out=next.plan")
    own.write("plan.json", own.ureg("show", "-json", "next.plan"))
    own.write("features/registry.feature", FEATURE)
    command = [str(Path(sys.executable).with_name("terraform-compliance")), "-p", "plan.json", "-f", "features"]
    done = subprocess.run(command, cwd=own.root, capture_output=True, text=True, check=False)
    printed = re.sub(r"\x1b\[\d+m", "", done.stdout)
    assert "2 scenarios (1 passed, 1 failed)" in printed, printed + done.stderr
    assert "service/search-indexer (service) does not have healthCheck property." in printed
    assert done.returncode == 1


def test_a_plan_has_the_members_that_terraform_documents(changed: Repository) -> None:
    changed.ureg("plan", "-replace=engine/redis", "-out=next.plan")
    plan = json.loads(changed.ureg("show", "-json", "next.plan"))
    assert {name: type(plan[name]) for name in PLAN} == PLAN
    assert re.fullmatch(r"1\.\d+", plan["format_version"])
    assert datetime.fromisoformat(plan["timestamp"]).tzinfo
    for change in plan["resource_changes"]:
        _check_change(change)
    actions = {change["address"]: change["change"]["actions"] for change in plan["resource_changes"]}
    assert actions["component/ranking-model"] == ["update"]
    assert actions["component/storefront"] == ["delete"]
    assert actions["engine/redis"] == ["delete", "create"]
    planned = {resource["address"] for resource in plan["planned_values"]["root_module"]["resources"]}
    prior = {resource["address"] for resource in plan["prior_state"]["values"]["root_module"]["resources"]}
    assert prior == set(actions)
    assert planned == prior - {"component/storefront"}


def test_the_messages_of_a_plan_are_terraforms(changed: Repository) -> None:
    messages = _messages(changed.ureg("plan", "-json", "-replace=engine/redis"))
    changes = {
        message["change"]["resource"]["addr"]: message["change"]
        for message in messages
        if message["type"] == "planned_change"
    }
    assert changes["component/ranking-model"]["action"] == "update"
    assert changes["component/storefront"]["reason"] == "delete_because_no_resource_config"
    assert changes["engine/redis"]["action"] == "replace"
    assert changes["engine/redis"]["reason"] == "requested"
    assert messages[-1]["changes"] == {"add": 1, "change": 1, "import": 0, "remove": 2, "operation": "plan"}


def test_the_messages_of_an_apply_are_terraforms(changed: Repository) -> None:
    messages = _messages(changed.ureg("apply", "-auto-approve", "-json"))
    types = [message["type"] for message in messages]
    assert types.count("apply_start") == types.count("apply_complete") == 2
    assert messages[-1]["changes"] == {"add": 0, "change": 1, "import": 0, "remove": 1, "operation": "apply"}


def test_the_messages_of_a_refusal_are_terraforms(own: Repository) -> None:
    own.write("registry.d/broken.yaml", "kind: [")
    messages = _messages(own.ureg("plan", "-json", code=1))
    assert [message["type"] for message in messages] == ["version", "diagnostic"]
    diagnostic = messages[1]["diagnostic"]
    assert messages[1]["@level"] == diagnostic["severity"] == "error"
    assert diagnostic["range"]["filename"] == "registry.d/broken.yaml"
    assert diagnostic["range"]["start"] == {"line": 1, "column": 7, "byte": 6}
    assert diagnostic["snippet"]["code"] == "kind: ["


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning:pydot")
def test_the_graph_is_dot(own: Repository) -> None:
    graphs = pydot.graph_from_dot_data(own.ureg("graph"))
    assert graphs
    (graph,) = graphs
    nodes = {str(node.get_name()).strip('"') for node in graph.get_nodes()} - {"node"}
    ends = [(str(edge.get_source()), str(edge.get_destination())) for edge in graph.get_edges()]
    edges = {(source.strip('"'), target.strip('"')) for source, target in ends}
    own.ureg("apply", "-auto-approve")
    assert nodes == set(own.ureg("state", "list").split())
    assert {name for edge in edges for name in edge} <= nodes
    assert ("service/checkout", "engine/sessions") in edges


def _check_change(change: dict[str, Any]) -> None:
    assert change["mode"] == "managed"
    assert change["address"] == f"{change['type']}/{change['name']}"
    assert change["provider_name"] == "ureg"
    assert change.get("action_reason") in {None, *REASONS}
    what = change["change"]
    assert what["actions"] in ACTIONS
    assert (what["before"] is None) == (what["actions"] == ["create"])
    assert (what["after"] is None) == (what["actions"] == ["delete"])
    for side in ("before", "after"):
        assert _marks(what[f"{side}_sensitive"], what[side])
    assert _marks(what["after_unknown"], what["after"])


def _marks(marks: Any, value: Any) -> bool:
    """Whether `marks` has the shape of `value`, with `true` at what is marked."""
    if isinstance(marks, dict):
        return isinstance(value, dict | None) and all(
            _marks(mark, (value or {}).get(key)) for key, mark in marks.items()
        )
    if isinstance(marks, list):
        return isinstance(value, list) and len(marks) <= len(value) and all(map(_marks, marks, value))
    return isinstance(marks, bool)


def _messages(text: str) -> list[dict[str, Any]]:
    """The messages of a stream, one a line, each checked to be one of Terraform's."""
    messages = [json.loads(line) for line in text.splitlines()]
    assert messages[0]["type"] == "version"
    for message in messages:
        _check_message(message)
    return messages


def _check_message(message: dict[str, Any]) -> None:
    assert message["@module"] == "terraform.ui"
    assert message["@level"] in {"info", "warn", "error"}
    assert isinstance(message["@message"], str)
    assert datetime.fromisoformat(message["@timestamp"]).tzinfo
    assert MESSAGES[message["type"]] <= set(message)
    told = message.get("change") or message.get("hook")
    if told:
        assert set(told["resource"]) == RESOURCE
        assert told["action"] in STREAM_ACTIONS
        assert told.get("reason") in {None, *STREAM_REASONS}
