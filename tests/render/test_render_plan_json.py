from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from reconciler.model.change import Action
from reconciler.model.kind import Field
from reconciler.model.plan import Options, Plan
from reconciler.render.plan_json import render_plan_json

FEATURE = """\
Feature: Services are bounded
  Scenario: Few of a service run
    Given I have service defined
    Then it must contain spec
    And it must contain replicas
    And its value must be less than 10
  Scenario: Many of a service run
    Given I have service defined
    Then it must contain spec
    And it must contain replicas
    And its value must be greater than 10
"""


@pytest.fixture
def document(plan: Plan, fields: Mapping[str, Field]) -> Any:
    return orjson.loads(render_plan_json(plan, fields, "1.0.0"))


def test_the_whole_document(document: Any, golden: Any) -> None:
    golden("plan.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))


def test_every_component_is_there_once(plan: Plan, document: Any) -> None:
    actions = {change["address"]: change["change"]["actions"] for change in document["resource_changes"]}
    assert len(actions) == len(document["resource_changes"]) == len(plan.changes) + len(plan.unchanged)
    assert actions["component/same"] == ["no-op"]
    assert actions["service/db"] == ["delete", "create"]


def test_a_value_at_a_sensitive_place_is_never_written(plan: Plan, fields: Mapping[str, Field]) -> None:
    creation = next(change for change in plan.changes if change.action is Action.CREATE)
    assert creation.after
    leaky = creation.after.manifest.replace(b'{"secretRef":{"name":"search-token"}}', b'"hunter2"')
    assert b"hunter2" in leaky
    leaked = creation._replace(after=creation.after._replace(manifest=leaky))
    data = render_plan_json(plan._replace(changes=(leaked,)), fields, "1.0.0")
    assert b"hunter2" not in data
    (change,) = [c for c in orjson.loads(data)["resource_changes"] if c["address"] == creation.address]
    assert change["change"]["after_sensitive"] == {"spec": {"token": True}}


def test_a_plan_of_a_part_is_not_complete(plan: Plan) -> None:
    part = plan._replace(options=Options(targets=("service/web",)))
    assert orjson.loads(render_plan_json(part, {}, "1"))["complete"] is False


def test_terraform_compliance_judges_it(plan: Plan, fields: Mapping[str, Field], tmp_path: Path) -> None:
    web = [change for change in plan.changes if change.address in ("service/web", "service/search-api")]
    (tmp_path / "plan.json").write_bytes(render_plan_json(plan._replace(changes=tuple(web)), fields, "1.0.0"))
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "services.feature").write_text(FEATURE, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("terraform-compliance")), "-p", "plan.json", "-f", "features"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    printed = re.sub(r"\x1b\[\d+m", "", done.stdout)
    assert "2 scenarios (1 passed, 1 failed)" in printed, printed + done.stderr
    assert "8 steps (7 passed, 1 failed)" in printed
    assert done.returncode == 1
