"""Targeting rules: what clients would stumble over, at its place, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core.targeting.targeting import OPERATORS as KNOWN_TO_CLIENTS

from reconciler.compiler.logic import MANY, OPERATORS, check_rule

VARIANTS = ("on", "off", "true", "1")
CORP = {"ends_with": [{"var": "email"}, "@example.com"]}
_SPECIAL = {"if", "?:", "and", "or", "map", "filter", "reduce", "all", "none", "some"}


def found(rule: Any) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(finding.code, finding.pointer) for finding in check_rule(rule, VARIANTS)]


def test_the_operators_are_those_of_the_engine_that_clients_use() -> None:
    assert set(OPERATORS) == (set(KNOWN_TO_CLIENTS) | _SPECIAL) - {"log"}


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"if": [CORP, "on", None]},
        {"if": [CORP, "on", {"var": "x"}, "off", "on"]},
        {"?:": [CORP, True, 1]},
        {"var": "variant"},
        {"cat": ["o", "n"]},
        {"fractional": [{"var": "targetingKey"}, ["on", 20], ["off", 80]]},
        {"fractional": [["on"], ["off"]]},
        {"fractional": [["on", {"var": "share"}], [{"var": "x"}, 0], [None, 1]]},
        {"if": [{"sem_ver": [{"var": "version"}, ">=", "v2.0"]}, "on", "off"]},
        {"if": [{"some": [{"var": "groups"}, {"==": [{"var": ""}, "beta"]}]}, "on"]},
        {"if": [{"in": [{"var": "c"}, [{"a": 1, "b": 2}]]}, "on"]},
        {"if": [{"!": {"var": "x"}}, "on"]},
    ],
)
def test_good_rules_pass_without_a_word(rule: Any) -> None:
    assert found(rule) == []


@pytest.mark.parametrize(
    ("rule", "code", "pointer"),
    [
        ({"ends_wth": ["a", "b"]}, "logic-operator", ("ends_wth",)),
        ({"log": "on"}, "logic-operator", ("log",)),
        ({"if": [CORP, "on"], "else": "off"}, "logic-operator", ()),
        ({"if": [{"and": [{"lower": [1]}]}, "on"]}, "logic-operator", ("if", 0, "and", 0, "lower")),
        ({"$ref": "shared"}, "logic-reference", ("$ref",)),
        ({"if": [{"$evaluators": {}}, "on"]}, "logic-reference", ("if", 0, "$evaluators")),
        ({"if": ["on"]}, "logic-arguments", ("if",)),
        ({"==": [1]}, "logic-arguments", ("==",)),
        ({"if": [{"starts_with": [{"var": "a"}]}, "on"]}, "logic-arguments", ("if", 0, "starts_with")),
        ({"if": [{"starts_with": [{"var": "a"}, 5]}, "on"]}, "logic-arguments", ("if", 0, "starts_with", 1)),
        ({"if": [{"sem_ver": [{"var": "v"}, ">>", "1.0"]}, "on"]}, "logic-arguments", ("if", 0, "sem_ver", 1)),
        ({"if": [{"sem_ver": [{"var": "v"}, ">", "one"]}, "on"]}, "logic-arguments", ("if", 0, "sem_ver", 2)),
        ({"if": [CORP, "onn"]}, "logic-answer", ("if", 1)),
        ({"if": [CORP, "on", "els"]}, "logic-answer", ("if", 2)),
        ({"if": [CORP, False]}, "logic-answer", ("if", 1)),
        ({"if": [CORP, ["on"]]}, "logic-answer", ("if", 1)),
        ({"if": [CORP, {"if": [CORP, "deep"]}]}, "logic-answer", ("if", 1, "if", 1)),
        ({"fractional": [["on", 10], ["offf", 90]]}, "logic-answer", ("fractional", 1, 0)),
        ({"fractional": [{"var": "x"}]}, "logic-fractional", ("fractional",)),
        ({"fractional": [{"var": "x"}, "on"]}, "logic-fractional", ("fractional", 1)),
        ({"fractional": [["on", 1, 2], ["off"]]}, "logic-fractional", ("fractional", 0)),
        ({"fractional": [["on", 33.3], ["off", 1]]}, "logic-fractional", ("fractional", 0, 1)),
        ({"fractional": [["on", -1], ["off", 1]]}, "logic-fractional", ("fractional", 0, 1)),
        ({"fractional": [["on", True], ["off", 1]]}, "logic-fractional", ("fractional", 0, 1)),
        ({"fractional": [["on", 0], ["off", 0]]}, "logic-fractional", ("fractional",)),
        ({"fractional": [["on", 2**31], ["off", 0]]}, "logic-fractional", ("fractional",)),
    ],
)  # fmt: skip
def test_each_mistake_is_told_once_at_its_place(rule: Any, code: str, pointer: tuple[str | int, ...]) -> None:
    assert found(rule) == [(code, pointer)]


def test_all_mistakes_are_told_at_once() -> None:
    rule = {"if": [{"ends_wth": []}, "onn", {"fractional": [["on", 0.5], ["of", 1]]}]}
    assert len(found(rule)) == 4


def test_a_misspelt_word_is_recognised() -> None:
    (operator,) = check_rule({"endswith": ["a", "b"]}, VARIANTS)
    assert "ends_with" in operator.hint
    (answer,) = check_rule({"if": [CORP, "offf"]}, VARIANTS)
    assert '"off"' in answer.hint


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.just("on"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*OPERATORS, "$ref", "x"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*OPERATORS, "x"]), _JSON, max_size=2))
def test_no_rule_breaks_it(rule: Any) -> None:
    for finding in check_rule(rule, VARIANTS):
        here: Any = rule
        for token in finding.pointer:
            here = here[token]


def test_every_operator_takes_some_number_of_arguments() -> None:
    assert all(0 <= least <= most <= MANY for least, most in OPERATORS.values())
