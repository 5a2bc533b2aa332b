"""Lifecycles as text, DOT and Mermaid."""

from __future__ import annotations

from typing import Any

import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.bootstrap import built_in_schemas
from reconciler.compiler.kinds import load_catalogue
from reconciler.model.kind import NO_FIELDS, Kind
from reconciler.model.lifecycle import ABSENT, Lifecycle, Verb
from reconciler.render.lifecycle_graph import render_lifecycle_dot, render_lifecycle_mermaid
from reconciler.render.lifecycle_text import render_lifecycle
from reconciler.render.style import PLAIN


def kind(lifecycle: Lifecycle) -> Kind:
    return Kind("Thing", "thing", "things", ("th",), "probe", lifecycle, "", lambda: NO_FIELDS, {}, "thing.schema.json")


MAZE = kind(
    Lifecycle(
        states=("cold", "warm", "hot", "stuck"),
        default="warm",
        verbs={
            "make": Verb("make", (ABSENT,), "cold"),
            "warm": Verb("warm", ("cold", "hot"), "warm", timeout=90.0),
            "heat": Verb("heat", ("warm", "cold"), "hot", timeout=0.5),
            "boil": Verb("boil", ("warm",), "hot", on_demand=True),
            "cool": Verb("cool", ("warm", "hot"), "cold", timeout=3600.0),
            "shake": Verb("shake", ("cold", "warm", "hot"), on_demand=True),
            "again": Verb("again", ("warm",), "warm"),
            "jam": Verb("jam", ("hot",), "stuck", on_demand=True),
            "drop": Verb("drop", ("cold", "warm", "hot", "stuck"), ABSENT),
        },
        aliases={"melt": "warm", "kick": "shake"},
    )
)


def test_a_lifecycle_with_everything(golden: Any) -> None:
    golden("lifecycle.txt", render_lifecycle(MAZE, PLAIN))
    golden("lifecycle.dot", render_lifecycle_dot(MAZE))
    golden("lifecycle.mmd", render_lifecycle_mermaid(MAZE))


@pytest.mark.parametrize("render", [render_lifecycle_dot, render_lifecycle_mermaid])
def test_built_in_kinds_have_one_arrow_for_each_way(render: Any) -> None:
    catalogue, _ = load_catalogue(built_in_schemas())
    for each in catalogue.kinds.values():
        ways = sum(len(verb.sources) for verb in each.lifecycle.verbs.values())
        assert render(each).count("->") == ways


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning:pydot")
def test_graphviz_reads_it() -> None:
    graphs = pydot.graph_from_dot_data(render_lifecycle_dot(MAZE))
    assert graphs
    (graph,) = graphs
    edges = {(edge.get_source(), edge.get_destination(), edge.get("label")) for edge in graph.get_edges()}
    assert ('"hot"', '"stuck"', '"jam"') in edges
    assert len(edges) == sum(len(verb.sources) for verb in MAZE.lifecycle.verbs.values())


STATES = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=5, unique=True)


@given(STATES, st.data())
@settings(max_examples=80)
def test_every_way_is_drawn_once(states: list[str], data: st.DataObject) -> None:
    places = st.sampled_from([ABSENT, *states])
    verbs = {
        name: Verb(name, tuple(data.draw(st.lists(places, min_size=1, unique=True))), data.draw(st.none() | places))
        for name in (f"verb{number}" for number in range(data.draw(st.integers(1, 8))))
    }
    text = render_lifecycle(kind(Lifecycle(tuple(states), states[0], verbs, {})), PLAIN)
    drawing = text.split("\n\nVERB")[0]
    for name, verb in verbs.items():
        assert drawing.count(name) == len(verb.sources)
    assert all(line == line.rstrip() for line in text.splitlines())
