"""Resources become one desired state, or every reason why they do not."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.assemble import assemble
from reconciler.model.diagnostics import Diagnostic, Location
from reconciler.model.resource import DesiredState, Reference, Resource, Revision

REVISION = Revision("c0ffee", "7ree", dirty=False)


def resource(address: str, *targets: str, path: str = "", document: int = 0) -> Resource:
    references = tuple(Reference(target, ("spec", "uses", index)) for index, target in enumerate(targets))
    path = path or f"registry.d/{address.replace('/', '-')}.yaml"
    return Resource(address, "Gadget", "on", "f" * 40, b"{}", references, path, document, 1)


def refused(*resources: Resource) -> tuple[Diagnostic, ...]:
    state, found = assemble(resources, REVISION, "digest")
    assert state is None
    return found


def test_resources_are_sorted_by_address_whatever_their_order() -> None:
    given_ = [resource("gadget/b", "gadget/a"), resource("gadget/a"), resource("gizmo/c", "gadget/a", "gadget/b")]
    expected = DesiredState({one.address: one for one in sorted(given_)}, REVISION, "digest")
    for order in (given_, given_[::-1]):
        state, found = assemble(order, REVISION, "digest")
        assert (state, found) == (expected, ())
        assert state is not None
        assert list(state.resources) == ["gadget/a", "gadget/b", "gizmo/c"]


def test_nothing_is_a_desired_state_too() -> None:
    assert assemble([], REVISION, "digest") == (DesiredState({}, REVISION, "digest"), ())


def test_an_address_used_twice_names_both_places() -> None:
    one, two, three = (resource("gadget/a", path=f"registry.d/{name}.yaml", document=1) for name in "xyz")
    for order in ([one, two, three], [three, two, one]):
        found = refused(*order)
        assert [(f.code, f.address, f.location) for f in found] == [
            ("duplicate-address", "gadget/a", Location("registry.d/y.yaml", ("metadata", "name"), 1)),
            ("duplicate-address", "gadget/a", Location("registry.d/z.yaml", ("metadata", "name"), 1)),
        ]
        for finding in found:
            (related,) = finding.related
            assert related == ("first defined here", Location("registry.d/x.yaml", ("metadata", "name"), 1))


def test_an_unknown_reference_is_told_where_it_stands() -> None:
    (found,) = refused(
        resource("gadget/a", "gadget/b", "gadget/serch-api"), *map(resource, ("gadget/b", "gadget/search-api"))
    )
    assert (found.code, found.address) == ("reference-unknown", "gadget/serch-api")
    assert found.location == Location("registry.d/gadget-a.yaml", ("spec", "uses", 1))
    assert found.summary == "gadget/a refers to gadget/serch-api, which does not exist."
    assert found.hint == 'Did you mean "gadget/search-api"?'


def test_a_similar_address_of_another_kind_is_better_than_none() -> None:
    (found,) = refused(resource("gadget/a", "gadjet/search"), resource("gadget/search"))
    assert found.hint == 'Did you mean "gadget/search"?'


def test_references_into_another_registry_are_looked_up_whole() -> None:
    state, _ = assemble([resource("pay:gadget/a"), resource("gadget/b", "pay:gadget/a")], REVISION, "")
    assert state is not None
    (found,) = refused(resource("gadget/a"), resource("gadget/b", "pay:gadget/a"))
    assert found.address == "pay:gadget/a"


def test_a_cycle_is_shown_as_its_path_with_each_edge() -> None:
    a, b, c = (
        resource("gadget/a", "gadget/x", "gadget/b"),
        resource("gadget/b", "gadget/c"),
        resource("gadget/c", "gadget/a"),
    )
    for order in ([a, b, c], [c, b, a]):
        (found,) = refused(*order, resource("gadget/x"), resource("gadget/behind", "gadget/b"))
        assert found.code == "dependency-cycle"
        assert found.summary == "These depend on each other: gadget/a -> gadget/b -> gadget/c -> gadget/a."
        assert found.location == Location("registry.d/gadget-a.yaml", ("spec", "uses", 1))
        assert [(one.note, one.location) for one in found.related] == [
            ("gadget/a refers to gadget/b", Location("registry.d/gadget-a.yaml", ("spec", "uses", 1))),
            ("gadget/b refers to gadget/c", Location("registry.d/gadget-b.yaml", ("spec", "uses", 0))),
            ("gadget/c refers to gadget/a", Location("registry.d/gadget-c.yaml", ("spec", "uses", 0))),
        ]


def test_whoever_refers_to_itself_is_a_cycle() -> None:
    (found,) = refused(resource("gadget/a", "gadget/a"))
    assert found.summary == "These depend on each other: gadget/a -> gadget/a."


def test_each_cycle_is_told_and_so_is_everything_else() -> None:
    found = refused(
        resource("gadget/a", "gadget/b"), resource("gadget/b", "gadget/a"),
        resource("gadget/c", "gadget/d"), resource("gadget/d", "gadget/c", "gadget/a", "gadget/none"),
        resource("gadget/e"), resource("gadget/e"),
    )  # fmt: skip
    assert [one.code for one in found] == [
        "duplicate-address",
        "reference-unknown",
        "dependency-cycle",
        "dependency-cycle",
    ]


def test_large_registries_of_every_shape_take_no_long_time() -> None:
    names = [f"gadget/g{number:05}" for number in range(10_000)]
    chain = [resource(name, *names[max(0, index - 1) : index]) for index, name in enumerate(names)]
    Random(1).shuffle(chain)
    assert assemble(chain, REVISION, "")[1] == ()
    ring = [resource(name, names[index - 1]) for index, name in enumerate(names)]
    (cycle,) = refused(*ring)
    assert len(cycle.related) == 10_000
    assert len(cycle.summary) < 1000
    assert len(refused(*(resource(name, f"gadget/none{name[-5:]}") for name in names))) == 10_000
    pairs = [resource(name, names[index ^ 1], *names[index + 2 : index + 3]) for index, name in enumerate(names)]
    assert len(refused(*pairs)) == 5_000


_NAMES = [f"gadget/{letter}" for letter in "abcdefgh"]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(_NAMES), st.lists(st.sampled_from(_NAMES), max_size=3)), st.randoms())
def test_the_order_of_resources_does_not_matter_and_cycles_are_real(
    graph: dict[str, list[str]], random: Random
) -> None:
    resources = [resource(name, *targets) for name, targets in graph.items()]
    state, found = assemble(resources, REVISION, "")
    random.shuffle(resources)
    assert assemble(resources, REVISION, "") == (state, found)
    unknown = [one.address for one in found if one.code == "reference-unknown"]
    assert sorted(unknown) == sorted(target for targets in graph.values() for target in targets if target not in graph)
    cycles = [one for one in found if one.code == "dependency-cycle"]
    assert bool(cycles) is _has_cycle(graph)
    for cycle in cycles:
        edges = [tuple(related.note.split(" refers to ")) for related in cycle.related]
        assert all(target in graph[source] for source, target in edges)
        assert [source for source, _ in edges] == [edges[-1][1], *(target for _, target in edges[:-1])]


def _has_cycle(graph: dict[str, list[str]]) -> bool:
    left = {name: {target for target in targets if target in graph} for name, targets in graph.items()}
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    return bool(left)
