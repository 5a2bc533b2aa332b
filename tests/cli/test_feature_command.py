"""`ureg feature eval`: the same answers as a client gets."""

from __future__ import annotations

import json

import pytest
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from repository import Repository

FLAGS = """apiVersion: ureg/v1
kind: Feature
metadata: {name: search}
spec:
  variants: {"on": true, "off": false}
  defaultVariant: "off"
  targeting:
    if:
      - ends_with: [{var: email}, "@example.com"]
      - "on"
      - fractional: [["on", 50], ["off", 50]]
  environments:
    staging: {defaultVariant: "on", targeting: {}}
---
apiVersion: ureg/v1
kind: Feature
metadata: {name: dark}
state: disabled
spec:
  variants: {"on": true, "off": false}
  defaultVariant: "off"
  environments:
    staging: {state: enabled}
---
apiVersion: ureg/v1
kind: Feature
metadata: {name: limit}
spec:
  variants: {few: 10, many: 100}
  defaultVariant: few
  targeting: {if: [{and: [{">": [{var: age}, 18]}, {var: paid}]}, many]}
"""
BROKEN = """apiVersion: ureg/v1
kind: Feature
metadata: {name: broken}
spec:
  variants: {"on": true}
  defaultVariant: "on"
  targeting: {cat: [o, {var: x}]}
"""


@pytest.fixture
def flags(repository: Repository) -> Repository:
    repository.write("registry.d/flags.yaml", FLAGS)
    return repository


def test_what_a_client_gets_is_told_in_three_lines(flags: Repository) -> None:
    text = flags.ureg("feature", "eval", "search", "-context", "email=ada@example.com")
    assert text == "value:   true\nvariant: on\nreason:  TARGETING_MATCH\n"
    assert flags.ureg("feature", "eval", "feature/limit") == "value:   10\nvariant: few\nreason:  DEFAULT\n"


def test_values_of_the_context_are_json_or_text(flags: Repository) -> None:
    def value(*context: str) -> object:
        pairs = [word for pair in context for word in ("-context", pair)]
        return json.loads(flags.ureg("feature", "eval", "limit", "-json", *pairs))["value"]

    assert value("age=19", "paid=true") == 100
    assert value("age=17", "paid=true") == 10
    assert value("age=19", "paid=false") == 10


def test_it_agrees_with_the_applied_document_and_its_engine(flags: Repository) -> None:
    flags.ureg("apply", "-auto-approve")
    core = FlagdCore()
    core.set_flags((flags.root / ".ureg/out/flags/flags.json").read_text())
    for number in range(6):
        expected = core.resolve_boolean_value("search", False, EvaluationContext(str(number)))
        told = json.loads(
            flags.ureg("feature", "eval", "search", "-applied", "-json", "-context", f"targetingKey={number}")
        )
        assert told == {
            "flag": "search",
            "environment": "",
            "value": expected.value,
            "variant": expected.variant,
            "reason": "TARGETING_MATCH",
            "error": "",
        }


def test_manifests_and_what_is_applied_are_apart(flags: Repository) -> None:
    assert "There is no feature 'limit'" in flags.refused("feature", "eval", "limit", "-applied")
    flags.ureg("apply", "-auto-approve")
    flags.write("registry.d/flags.yaml", FLAGS.replace("defaultVariant: few", "defaultVariant: many"))
    assert "value:   100" in flags.ureg("feature", "eval", "limit")
    assert "value:   10\n" in flags.ureg("feature", "eval", "limit", "-applied")


def test_environments(flags: Repository) -> None:
    assert "reason:  DISABLED" in flags.ureg("feature", "eval", "dark")
    assert "the default in the client's own code" in flags.ureg("feature", "eval", "dark")
    assert "variant: off" in flags.ureg("feature", "eval", "dark", "-environment", "staging")
    assert "reason:  STATIC" in flags.ureg("feature", "eval", "search", "-environment=staging")
    text = flags.refused("feature", "eval", "search", "-environment", "stagin")
    assert "No feature names the environment 'stagin'" in text
    assert 'Did you mean "staging"?' in text


def test_names_that_mean_nothing(flags: Repository) -> None:
    text = flags.refused("feature", "eval", "serch")
    assert "There is no feature 'serch'" in text
    assert 'Did you mean "search"?' in text
    assert "-context takes KEY=VALUE, not 'x'" in flags.refused("feature", "eval", "search", "-context", "x")


def test_what_no_client_can_evaluate(flags: Repository) -> None:
    flags.write("registry.d/broken.yaml", BROKEN)
    text = flags.ureg("feature", "eval", "broken", code=1)
    assert "reason:  ERROR" in text
    assert "error:   GENERAL: Resolved variant onull not in variants config." in text
    assert flags.ureg("feature", "eval", "broken", "-context", "x=n").startswith("value:   true\n")
