"""Three sides held against each other: what is said of each field, and laws that hold for any three."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.change import MISSING
from reconciler.model.drift import Divergence, Moved
from reconciler.model.kind import Catalogue, Field, Kind
from reconciler.model.lifecycle import ABSENT, PRESENT, SIMPLE
from reconciler.model.record import Observation, Record, Seen, Status
from reconciler.model.resource import Resource
from reconciler.planner.drift import Sides, compare

FIELDS = Field({"spec": Field({"secret": Field({}, sensitive=True)})})
KIND = Kind("Config", "config", "configs", (), "files", SIMPLE, "", lambda: FIELDS, {}, "config.schema.json")
CATALOGUE = Catalogue({"config": KIND}, "digest", {})
A = "config/a"
Side = TypeVar("Side", Resource, Record)


def manifest(spec: dict[str, Any]) -> bytes:
    return orjson.dumps({"spec": spec}, option=orjson.OPT_SORT_KEYS)


def resource(state: str = PRESENT, address: str = A, **spec: Any) -> Resource:
    data = manifest(spec)
    return Resource(address, "Config", state, data.decode(), data, (), "a.yaml", 0, 3)


def record(state: str = PRESENT, address: str = A, status: Status = Status.OK, **spec: Any) -> Record:
    data = manifest(spec) if state != ABSENT else b""
    return Record(address, "Config", state, status, data.decode(), data, source="old.yaml:1")


def rows(desired: Resource | None, recorded: Record | None, seen: Observation | None = None) -> list[tuple[Any, ...]]:
    """Field, side that moved, and the values: desired, recorded, observed."""
    sides = Sides(
        {desired.address: desired} if desired else {},
        {recorded.address: recorded} if recorded else {},
        {seen.address: seen} if seen else {},
    )
    found = compare(sides, [A], CATALOGUE)
    return [(d.field, d.moved.value, d.desired, d.recorded, d.observed) for drift in found for d in drift.divergences]


def test_nothing_moved() -> None:
    assert rows(resource(x=1), record(x=1)) == []
    assert rows(None, None) == []
    assert rows(resource(x=1), record(x=1), Observation(A, PRESENT)) == []


def test_git_moved() -> None:
    assert rows(resource(x=2, y=[1]), record(x=1)) == [
        ("spec.x", "git", 2, 1, 1),
        ("spec.y", "git", [1], MISSING, MISSING),
    ]
    assert rows(resource(x=[{"k": 2}]), record(x=[{"k": 1}])) == [("spec.x[0].k", "git", 2, 1, 1)]
    assert rows(resource(x=1), None) == [("state", "git", PRESENT, ABSENT, ABSENT)]
    assert rows(None, record(x=1)) == [("state", "git", ABSENT, PRESENT, PRESENT)]


def test_the_world_moved() -> None:
    gone = Observation(A, ABSENT, "a.json: missing")
    assert rows(resource(x=1), record(x=1), gone) == [
        ("state", "world", PRESENT, PRESENT, ABSENT),
        ("seen", "world", MISSING, MISSING, "a.json: missing"),
    ]
    pieces = (Seen("mode", "0644", "0600"), Seen("spec.x", "1", "7"))
    assert rows(resource(x=1), record(x=1), Observation(A, PRESENT, "two things", pieces)) == [
        ("mode", "world", "0644", "0644", "0600"),
        ("spec.x", "world", "1", "1", "7"),
    ]


def test_both_moved_also_to_the_same() -> None:
    seen = Observation(A, PRESENT, "x is 3", (Seen("spec.x", "1", "3"),))
    assert rows(resource(x=3), record(x=1), seen) == [("spec.x", "both", 3, 1, "3")]
    assert rows(None, record(x=1), Observation(A, ABSENT)) == [("state", "both", ABSENT, PRESENT, ABSENT)]


def test_a_component_of_which_each_side_moved_somewhere() -> None:
    seen = Observation(A, PRESENT, "mode", (Seen("mode", "0644", "0600"),))
    sides = Sides({A: resource(x=2)}, {A: record(x=1)}, {A: seen})
    (drift,) = compare(sides, [A, "config/b"], CATALOGUE)
    assert (drift.moved, drift.kind, drift.source) == (Moved.BOTH, "Config", "a.yaml:3")
    assert [each.moved for each in drift.divergences] == [Moved.GIT, Moved.WORLD]


def test_what_never_came_to_be_has_not_changed_in_the_world() -> None:
    failed = record(ABSENT, status=Status.FAILED)._replace(error="no room")
    sides = Sides({A: resource(x=1)}, {A: failed}, {A: Observation(A, ABSENT, "half made")})
    (drift,) = compare(sides, [A], CATALOGUE)
    assert (drift.status, drift.error) == (Status.FAILED, "no room")
    assert drift.divergences == (Divergence("state", PRESENT, ABSENT, ABSENT, Moved.GIT),)


def test_no_secret_is_told() -> None:
    ((field, _, *sides),) = rows(resource(secret="new"), record(secret="old"))
    assert field == "spec.secret"
    assert not {"new", "old"} & set(map(str, sides))


@pytest.mark.parametrize("word", ["config", "Config"])
def test_a_kind_without_a_schema(word: str) -> None:
    sides = Sides({}, {A: record(x=1)._replace(kind=word)}, {})
    (drift,) = compare(sides, [A], Catalogue({}, "", {}))
    assert drift.divergences == (Divergence("state", ABSENT, PRESENT, PRESENT, Moved.GIT),)


def with_spec(side: Side, spec: dict[str, int]) -> Side:
    data = manifest(spec)
    return side._replace(manifest=data, fingerprint=data.decode())


SPEC = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2))
SEEN = st.builds(
    lambda state, keys: Observation(
        A, state, "moved" if keys or state == ABSENT else "", tuple(Seen(f"spec.{key}", "old", "new") for key in keys)
    ),
    st.sampled_from([PRESENT, ABSENT]),
    st.sets(st.sampled_from("xyz")),
)


@given(SPEC, SPEC, st.none() | SEEN)
@settings(max_examples=150)
def test_each_side_is_blamed_for_what_it_did_and_nothing_else(
    wanted: dict[str, int], left: dict[str, int], seen: Observation | None
) -> None:
    found = {field: moved for field, moved, *_ in rows(with_spec(resource(), wanted), with_spec(record(), left), seen)}
    git = {f"spec.{key}" for key in wanted.keys() | left.keys() if wanted.get(key) != left.get(key)}
    world = {piece.field for piece in seen.seen} if seen else set()
    assert {field for field, moved in found.items() if moved in ("git", "both")} == git
    assert {f for f, moved in found.items() if moved in ("world", "both")} - {"state", "seen"} == world
    assert ("state" in found) == bool(seen and seen.state == ABSENT)
