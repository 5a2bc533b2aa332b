"""Differences of manifests: the cases people read, and the laws that hold for any JSON."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.change import MISSING, Difference
from reconciler.model.kind import NO_FIELDS, Field
from reconciler.planner.diff import MAX_MATCHES, SENSITIVE, differences

LEAF = Field({})


def spec(**properties: Field) -> Field:
    return Field({"spec": Field(properties)})


def changes(before: Any, after: Any, field: Field = LEAF) -> list[tuple[Any, ...]]:
    found = differences({"spec": {"x": before}}, {"spec": {"x": after}}, spec(x=field))
    return [(difference.pointer[2:], difference.before, difference.after) for difference in found]


def test_fields_are_compared_one_by_one() -> None:
    before = {"spec": {"a": 1, "b": {"c": "old", "gone": None}}}
    after = {"spec": {"a": 1, "b": {"c": "new"}, "added": [1]}}
    assert differences(before, after, NO_FIELDS) == (
        Difference(("spec", "added"), MISSING, [1]),
        Difference(("spec", "b", "c"), "old", "new"),
        Difference(("spec", "b", "gone"), None, MISSING),
    )


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, 1.0), ("1", 1), (None, False), ([], {})])
def test_values_of_different_types_differ(before: Any, after: Any) -> None:
    assert changes(before, after) == [((), before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["a", "b", "c"], ["new", "a", "b", "c"], [((0,), MISSING, "new")]),
        (["a", "b", "c"], ["a", "c"], [((1,), "b", MISSING)]),
        (["a", "b", "c"], ["a", "x", "c"], [((1,), "b", "x")]),
        (
            ["a", "b", "c", "d"],
            ["x", "a", "q", "r", "c"],
            [((0,), MISSING, "x"), ((2,), "b", "q"), ((3,), MISSING, "r"), ((3,), "d", MISSING)],
        ),
        ([{"n": 1, "v": 1}, {"n": 2}], [{"n": 1, "v": 3}, {"n": 2}], [((0, "v"), 1, 3)]),
        ([], ["a"], [((0,), MISSING, "a")]),
    ],
)
def test_lists_are_aligned(before: Any, after: Any, expected: Any) -> None:
    assert sorted(changes(before, after), key=repr) == sorted(expected, key=repr)


def test_a_list_too_costly_to_align_is_compared_by_index() -> None:
    side = 2 * MAX_MATCHES
    before, after = ["x", *["a"] * side, "y"], ["z", *["a"] * (side - 1), "b", "a", "w"]
    assert len(changes(before, after)) == 4


KEYED = Field({}, items=Field({}), key="name")


def test_keyed_lists_are_compared_by_key() -> None:
    before = [{"name": "a", "v": 1}, {"name": "b", "v": 2}, {"name": "c", "v": 3}]
    after = [{"name": "new"}, {"name": "a", "v": 1}, {"name": "c", "v": 4}]
    assert changes(before, after, KEYED) == [
        ((1,), {"name": "b", "v": 2}, MISSING),
        ((2, "v"), 3, 4),
        ((0,), MISSING, {"name": "new"}),
    ]


def test_an_order_that_changed_is_one_difference_of_the_list() -> None:
    before = [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    assert changes(before, [before[2], before[0]], KEYED) == [
        ((1,), {"name": "b"}, MISSING),
        ((), ["a", "c"], ["c", "a"]),
    ]


@pytest.mark.parametrize("odd", [{"name": "a"}, {"other": 1}, "text", {"name": True}])
def test_items_that_their_key_cannot_tell_apart_are_compared_in_order(odd: Any) -> None:
    before = [{"name": "a"}, odd]
    assert changes(before, [{"name": "z"}, *before], KEYED) == [((0,), MISSING, {"name": "z"})]


SECRET = Field({}, sensitive=True)


def test_a_sensitive_value_is_never_in_a_difference() -> None:
    before = {"spec": {"token": {"secretRef": "hush-1"}, "list": [{"token": "hush-2"}]}}
    after = {
        "spec": {"token": {"secretRef": "hush-3"}, "list": [{"token": "hush-2"}, {"token": "hush-4"}], "more": "hush-5"}
    }
    fields = spec(token=SECRET, more=SECRET, list=Field({}, items=Field({"token": SECRET})))
    found = differences(before, after, fields)
    assert "hush" not in repr(found)
    assert Difference(("spec", "token"), SENSITIVE, SENSITIVE, sensitive=True) in found
    assert Difference(("spec", "more"), MISSING, SENSITIVE, sensitive=True) in found
    assert Difference(("spec", "list", 1), MISSING, {"token": SENSITIVE}) in found
    assert len(found) == 3


FIXED = Field({}, immutable=True)


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({"x": 1}, {"x": 2}, spec(x=FIXED)),
        ({"x": {"deep": [1]}}, {"x": {"deep": [2]}}, spec(x=FIXED)),
        ({"x": 1}, {}, spec(x=FIXED)),
        ({}, {"x": {"y": 1}}, spec(x=Field({"y": FIXED}))),
        ({"x": [{"y": 1}]}, {"x": []}, spec(x=Field({}, items=Field({"y": FIXED})))),
        ({"x": {"any": 1}}, {"x": {"any": 2}}, spec(x=Field({}, additional=FIXED))),
        ({"x": [{"n": "a"}, {"n": "b"}]}, {"x": [{"n": "b"}, {"n": "a"}]}, spec(x=Field({}, immutable=True, key="n"))),
    ],
)
def test_a_change_of_what_is_immutable_forces_a_replacement(before: Any, after: Any, fields: Field) -> None:
    found = differences({"spec": before}, {"spec": after}, fields)
    assert [difference.forces_replacement for difference in found] == [True]


def test_a_change_beside_what_is_immutable_forces_nothing() -> None:
    found = differences({"spec": {"x": 1, "y": 1}}, {"spec": {"x": 1, "y": 2}}, spec(x=FIXED))
    assert [difference.forces_replacement for difference in found] == [False]


KEYS = st.sampled_from(("name", "a", "b", "c"))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from((0.5, 1.0)), st.sampled_from(("", "a", "b"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=20,
)
MANIFESTS = st.dictionaries(KEYS, VALUES, max_size=4)
FIELDS = st.recursive(
    st.builds(Field, st.just({}), immutable=st.booleans(), sensitive=st.booleans(), key=st.sampled_from(("", "name"))),
    lambda inner: st.builds(
        Field,
        st.dictionaries(KEYS, inner, max_size=3),
        items=st.one_of(st.none(), inner),
        additional=st.one_of(st.none(), inner),
        immutable=st.booleans(),
        key=st.sampled_from(("", "name")),
    ),
    max_leaves=6,
)


def canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@settings(max_examples=200, deadline=None)
@given(before=MANIFESTS, after=MANIFESTS, fields=FIELDS)
def test_there_are_no_differences_if_and_only_if_both_are_the_same(before: Any, after: Any, fields: Field) -> None:
    assert differences(before, copy.deepcopy(before), fields) == ()
    assert bool(differences(before, after, fields)) == (canonical(before) != canonical(after))


def rebuilt(before: Any, found: list[Difference]) -> Any:
    """`before` with the differences of a plain (unkeyed, unmasked) comparison applied."""
    if found and found[0].pointer == ():
        return found[0].after
    if isinstance(before, dict):
        keys = {**before, **{d.pointer[0]: None for d in found}}
        values = {key: rebuilt(before.get(key, MISSING), below(found, key)) for key in keys}
        return {key: value for key, value in values.items() if value is not MISSING}
    if isinstance(before, list):
        return rebuilt_list(before, found)
    return before


def below(found: list[Difference], key: Any) -> list[Difference]:
    return [d._replace(pointer=d.pointer[1:]) for d in found if d.pointer[0] == key]


def rebuilt_list(before: list[Any], found: list[Difference]) -> list[Any]:
    """What was removed has its index before, all else its index after; what is left keeps its order."""
    removed = {d.pointer[0] for d in found if len(d.pointer) == 1 and d.after is MISSING}
    rest = [d for d in found if not (len(d.pointer) == 1 and d.after is MISSING)]
    added = {d.pointer[0]: d.after for d in rest if len(d.pointer) == 1 and d.before is MISSING}
    kept = [item for place, item in enumerate(before) if place not in removed]
    return [
        added[place] if place in added else rebuilt(kept.pop(0), below(rest, place))
        for place in range(len(kept) + len(added))
    ]


@settings(max_examples=200, deadline=None)
@given(before=st.lists(VALUES, max_size=7), after=st.lists(VALUES, max_size=7))
def test_the_differences_tell_all_that_leads_from_one_to_the_other(before: Any, after: Any) -> None:
    found = differences({"x": before}, {"x": after}, NO_FIELDS)
    assert canonical(rebuilt({"x": before}, list(found))) == canonical({"x": after})
