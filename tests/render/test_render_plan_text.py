from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.change import Action, Change, Difference, Reason, Side
from reconciler.model.kind import NO_FIELDS, Field
from reconciler.model.plan import Base, Mode, Options, Plan
from reconciler.model.resource import Revision
from reconciler.render.differences_text import differences_text
from reconciler.render.plan_text import render_plan
from reconciler.render.style import PLAIN, Style

EMPTY = Plan(Options(), Base("", 0), Revision("", "", False), "", (), (), (), (), (), "")


def test_a_plan_with_everything(plan: Plan, fields: Mapping[str, Field], golden: Any) -> None:
    golden("plan.txt", render_plan(plan, PLAIN, fields))
    golden("plan.ansi", render_plan(plan, Style(color=True), fields))


def test_a_refresh_only_plan(plan: Plan, fields: Mapping[str, Field], golden: Any) -> None:
    seen = plan._replace(options=Options(mode=Mode.REFRESH_ONLY), changes=(), guards=())
    golden("plan_refresh_only.txt", render_plan(seen, PLAIN, fields))


@pytest.mark.parametrize("mode", Mode)
def test_no_changes(mode: Mode, golden: Any) -> None:
    golden(f"plan_empty_{mode}.txt", render_plan(EMPTY._replace(options=Options(mode=mode)), PLAIN, {}))


def test_drift_that_needs_no_change_says_so(plan: Plan) -> None:
    text = render_plan(plan._replace(changes=(), guards=()), PLAIN, {})
    assert "app.json was edited by hand" in text
    assert "No changes." in text


def test_a_requested_replacement() -> None:
    side = Side("present", "f", b"{}", ())
    change = Change("config/a", "Config", "files", Action.REPLACE, Reason.REQUESTED, side, side, (), (), "")
    assert "# config/a will be replaced, as requested" in render_plan(EMPTY._replace(changes=(change,)), PLAIN, {})


def show(before: Any, after: Any, *pointer: str | int, document: Any = None) -> str:
    found = Difference(pointer or ("spec",), before, after)
    return "\n".join(differences_text([found], document or {"spec": after}, PLAIN, 2, NO_FIELDS))


def test_a_scalar_that_becomes_a_list_and_back() -> None:
    assert show("x", ["y"]) == '  ~ spec = "x" -> [\n      + "y",\n    ]'
    assert show(["y"], "x") == '  ~ spec = [\n      - "y",\n    ] -> "x"'


def test_items_that_changed_places() -> None:
    assert show(["a", "b"], ["b", "a"]) == '  ~ spec = ["a", "b"] -> ["b", "a"]'


def test_items_of_a_list_are_named_by_their_place() -> None:
    text = show("a", "b", "spec", 1, document={"spec": ["x", "b", "y"]})
    assert text.splitlines()[1:3] == ['      ~ [1] = "a" -> "b"', "        # (2 unchanged elements hidden)"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "a\n"), ("a\n", ""), ("a\nb", "b\na"), ("a\na\n", "a\n"), ("a\n", "a\na\n"), ("x", "a\nb\n")],
)
def test_each_changed_line_of_a_text_is_shown(before: str, after: str) -> None:
    lines = [line.strip() for line in show(before, after).splitlines()]
    taken = [line[4:] for line in lines if line.startswith("- | ")]
    added = [line[4:] for line in lines if line.startswith("+ | ")]
    same = [line[2:] for line in lines if line.startswith("| ")]
    assert sorted(taken + same) == sorted(before.splitlines()) or not before
    assert sorted(added + same) == sorted(after.splitlines()) or not after


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.sampled_from(["a\nPlan: 9", "\x1b[2J"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.text(max_size=8))
@settings(max_examples=60)
def test_no_manifest_can_speak_for_the_plan(spec: Any, name: str) -> None:
    """Every line that a manifest has a part in is indented, so that none passes for a line of ureg."""
    body = orjson.dumps({"metadata": {"name": name}, "spec": spec})
    address = f"config/{name}x"
    after = Side("present", "f", body, ())
    change = Change(address, "Config", "files", Action.CREATE, Reason.NONE, None, after, ("create",), (), f"{name}:1")
    text = render_plan(EMPTY._replace(changes=(change,)), PLAIN, {})
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line and not line.startswith("  ")] == [
        "Actions are indicated with the following symbols:",
        "ureg will perform the following actions:",
        "Plan: 1 to add, 0 to change, 0 to destroy.",
    ]
