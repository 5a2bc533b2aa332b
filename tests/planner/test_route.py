"""Routes through lifecycles: the ones people expect, and the shortest by brute force."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.lifecycle import ABSENT, PRESENT, SIMPLE, Lifecycle, Verb
from reconciler.planner.route import Route, route

SERVICE = Lifecycle(
    states=("registered", "installed", "running", "stopped"),
    default="running",
    verbs={
        verb.name: verb
        for verb in (
            Verb("register", (ABSENT,), "registered"),
            Verb("install", ("registered",), "installed"),
            Verb("start", ("installed", "stopped"), "running"),
            Verb("stop", ("running",), "stopped"),
            Verb("uninstall", ("installed", "stopped"), "registered"),
            Verb("remove", ("registered",), ABSENT),
            Verb("update", ("installed", "running", "stopped")),
            Verb("restart", ("running",), on_demand=True),
        )
    },
    aliases={},
)
SWITCH = Lifecycle(
    states=("enabled", "disabled"),
    default="enabled",
    verbs={
        verb.name: verb
        for verb in (
            Verb("add", (ABSENT,), "disabled"),
            Verb("enable", ("disabled",), "enabled"),
            Verb("disable", ("enabled",), "disabled"),
            Verb("remove", ("enabled", "disabled"), ABSENT),
        )
    },
    aliases={},
)


def names(path: Route | None) -> list[str] | None:
    return None if path is None else [verb.name for verb in path]


@pytest.mark.parametrize(
    ("start", "goal", "changed", "expected"),
    [
        (ABSENT, "running", False, ["register", "install", "start"]),
        (ABSENT, "running", True, ["register", "install", "start"]),
        ("running", "stopped", False, ["stop"]),
        ("running", "running", False, []),
        ("running", "running", True, ["update"]),
        ("running", "stopped", True, ["stop", "update"]),
        ("running", "registered", True, ["stop", "update", "uninstall"]),
        ("registered", "registered", True, ["install", "update", "uninstall"]),
        ("running", ABSENT, False, ["stop", "uninstall", "remove"]),
        ("running", ABSENT, True, ["stop", "uninstall", "remove"]),
        (ABSENT, ABSENT, True, []),
        ("elsewhere", "running", False, None),
    ],
)
def test_a_service_takes_the_way_an_operator_would(
    start: str, goal: str, changed: bool, expected: list[str] | None
) -> None:
    assert names(route(SERVICE, start, goal, changed)) == expected


def test_a_replace_passes_through_absent() -> None:
    path = route(SERVICE, "stopped", "installed", replace=True)
    assert names(path) == ["uninstall", "remove", "register", "install"]
    assert names(route(SIMPLE, PRESENT, PRESENT, replace=True)) == ["delete", "create"]
    assert names(route(SIMPLE, ABSENT, PRESENT, replace=True)) == ["create"]


def test_a_kind_without_an_update_takes_a_changed_manifest_by_way_of_absent() -> None:
    assert names(route(SWITCH, "enabled", "enabled", changed=True)) == ["remove", "add", "enable"]
    assert names(route(SWITCH, "enabled", "disabled")) == ["disable"]


def test_a_longer_way_around_is_taken_before_a_way_through_absent() -> None:
    verbs = (
        Verb("create", (ABSENT,), "on"),
        Verb("drop", ("on",), ABSENT),
        Verb("stop", ("on",), "off"),
        Verb("start", ("off",), "on"),
        Verb("update", ("off",)),
    )
    database = Lifecycle(("on", "off"), "on", {verb.name: verb for verb in verbs}, {})
    assert names(route(database, "on", "on", changed=True)) == ["stop", "update", "start"]


STATES = ("a", "b", "c")


@st.composite
def lifecycles(draw: st.DrawFn) -> Lifecycle:
    everywhere = st.sampled_from((ABSENT, *STATES))
    count = draw(st.integers(1, 6))
    verbs = {
        f"v{number}": Verb(
            f"v{number}",
            tuple(draw(st.sets(everywhere, min_size=1, max_size=2))),
            draw(st.one_of(st.none(), everywhere)),
            draw(st.integers(0, 9)) == 0,
        )
        for number in range(count)
    }
    return Lifecycle(STATES, "a", verbs, {})


def simulate(path: tuple[Verb, ...], start: str, changed: bool) -> tuple[str, bool, bool] | None:
    """Where `path` ends, whether the new manifest is in and whether it met absent; None where a verb does not fit."""
    state, current, absent = start, not changed, start == ABSENT
    for verb in path:
        if state not in verb.sources or verb.on_demand:
            return None
        current = current or state == ABSENT or verb.target is None
        state = verb.target or state
        absent = absent or state == ABSENT
    return state, current, absent


def paths(lifecycle: Lifecycle, start: str, changed: bool, path: tuple[Verb, ...] = ()) -> Iterator[tuple[Verb, ...]]:
    """Every path that never comes back to where it was."""
    yield path
    been = [simulate(path[:length], start, changed) for length in range(len(path) + 1)]
    for verb in lifecycle.verbs.values():
        there = simulate((*path, verb), start, changed)
        if there is not None and there not in been:
            yield from paths(lifecycle, start, changed, (*path, verb))


@settings(max_examples=150, deadline=None)
@given(
    lifecycle=lifecycles(),
    start=st.sampled_from((ABSENT, *STATES)),
    goal=st.sampled_from((ABSENT, *STATES)),
    changed=st.booleans(),
    replace=st.booleans(),
)
def test_routes_are_the_shortest_of_all_paths(
    lifecycle: Lifecycle, start: str, goal: str, changed: bool, replace: bool
) -> None:
    order = list(lifecycle.verbs)
    changed_matters, replace_matters = changed and goal != ABSENT, replace and goal != ABSENT

    def rank(path: tuple[Verb, ...]) -> tuple[bool, int, int, list[int]]:
        between = any(verb.target == ABSENT for verb in path) and goal != ABSENT
        update = next((place for place, verb in enumerate(path) if verb.target is None), len(path))
        return between, len(path), -update, [order.index(verb.name) for verb in path]

    fitting = [
        path
        for path in paths(lifecycle, start, changed_matters)
        if (end := simulate(path, start, changed_matters)) is not None
        and end[0] == goal
        and end[1]
        and (end[2] or not replace_matters)
    ]
    assert route(lifecycle, start, goal, changed, replace) == (min(fitting, key=rank) if fitting else None)
