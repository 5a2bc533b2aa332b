"""What components claim against each other."""

from __future__ import annotations

from collections import Counter

from compiler.checked_kinds import CATALOGUE, VALIDATOR, compiled, document, thing
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.across import MOST_CONTESTS, MOST_PLACES, check_claims
from reconciler.compiler.claims import claims, may_claim
from reconciler.compiler.compile import compile_file
from reconciler.model.diagnostics import Diagnostic, Severity
from reconciler.model.resource import Resource


def check(*resources: Resource) -> tuple[Diagnostic, ...]:
    claimed = [(one, claims(one, CATALOGUE.kinds[one.kind.lower()])) for one in resources]
    return check_claims(resources, claimed, CATALOGUE)


def door(name: str, number: int, state: str = "", house: str = "", floor: str = "") -> Resource:
    place = {"floor": floor} if floor else {}
    return thing(name, state, doors=[{"number": number, **place}], **({"house": house} if house else {}))


def gate(name: str, number: int) -> Resource:
    (resource,), _ = compiled(document("Gate", name, {"door": number}), path=f"registry.d/{name}.yaml")
    return resource


# Values that only one may hold


def test_two_that_want_one_value_are_told_with_both_places() -> None:
    (found,) = check(door("b", 7), door("a", 7), door("c", 8))
    assert (found.code, found.severity, found.address) == ("unique-taken", Severity.ERROR, "thing/b")
    assert found.summary == "thing/b wants the door 7, which thing/a has."
    assert found.detail == "Both are on house here."
    assert found.hint == "Give one of them another door."
    assert str(found.location) == "registry.d/b.yaml"
    assert found.location is not None
    assert found.location.pointer == ("spec", "doors", 0, "number")
    ((note, place),) = found.related
    assert (note, place.path, place.pointer) == (
        "thing/a has it here",
        "registry.d/a.yaml",
        ("spec", "doors", 0, "number"),
    )


def test_who_does_not_hold_it_in_its_state_may_name_it() -> None:
    assert check(door("a", 7), door("b", 7, "off")) == ()
    assert len(check(door("a", 7), door("b", 7, "leaving"))) == 1


def test_a_component_that_wants_one_value_twice_is_told() -> None:
    (found,) = check(thing("a", doors=[{"number": 7}], spare={"x": 7}))
    assert found.summary == "thing/a wants the door 7, which it already has."
    assert found.location is not None
    assert found.location.pointer == ("spec", "spare", "x")


def test_what_keeps_them_apart() -> None:
    assert check(door("a", 7, house="up"), door("b", 7, house="down"), door("c", 7)) == ()
    assert check(door("a", 7, floor="1"), door("b", 7, floor="2")) == ()
    assert len(check(door("a", 7, floor="1"), door("b", 7, floor="1"))) == 1
    assert check(door("a", 7, house="up", floor="1"), door("b", 7, house="down", floor="1")) == ()


def test_a_reference_keeps_apart_by_what_it_means() -> None:
    (found,) = check(door("a", 7, house="up"), door("b", 7, house="house/up"))
    assert found.detail == "Both are on house house/up."


def test_a_text_that_goes_with_all() -> None:
    first, second = check(door("a", 7, floor="1"), door("b", 7, floor="every"), door("c", 7, floor="2"))
    assert [(one.address, one.related[0].note) for one in (first, second)] == [
        ("thing/b", "thing/a has it here"),
        ("thing/c", "thing/b has it here"),
    ]
    assert second.detail == "Both are on house here, floor 2."


def test_a_kind_that_lacks_a_name_goes_with_all() -> None:
    assert len(check(gate("g", 7), door("t", 7, floor="1"))) == 1
    assert check(gate("g", 7), door("t", 7, house="up")) == ()


def test_what_cannot_be_told_from_the_manifest_is_not_held() -> None:
    assert check(door("a", 7), thing("b", house={"labels": {}}, doors=[{"number": 7}])) == ()


def test_a_plain_file_holds_too_and_its_places_are_its_own() -> None:
    (plain,), _ = compile_file("plain/p.yml", b"door: 7\n", CATALOGUE, VALIDATOR, CATALOGUE.kinds["plain"])
    (found,) = check(door("a", 7), plain)
    places = {str(place.path): place.pointer for place in (found.related[0].location, found.location) if place}
    assert places == {"plain/p.yml": ("door",), "registry.d/a.yaml": ("spec", "doors", 0, "number")}


def test_of_two_with_one_address_the_first_counts() -> None:
    assert check(door("a", 7), door("a", 7)._replace(path="registry.d/z.yaml")) == ()


def test_many_rivals_are_one_finding_that_names_some() -> None:
    (found,) = check(*(door(f"d{number}", 7) for number in range(50)))
    assert len(found.related) == MOST_PLACES
    assert len(check(*(door(f"{side}{n}", n) for n in range(MOST_CONTESTS + 5) for side in "ab"))) == MOST_CONTESTS


_HOLDER = st.tuples(st.integers(1, 3), st.sampled_from(["", "up", "down"]), st.sampled_from(["", "1", "2", "every"]))


@settings(max_examples=80, deadline=None)
@given(st.lists(_HOLDER, max_size=6))
def test_a_conflict_is_told_where_any_two_compete_and_only_there(holders: list[tuple[int, str, str]]) -> None:
    def compete(one: tuple[int, str, str], other: tuple[int, str, str]) -> bool:
        return one[:2] == other[:2] and (one[2] == other[2] or bool({"", "every"} & {one[2], other[2]}))

    resources = [door(f"d{place}", number, "", house, floor) for place, (number, house, floor) in enumerate(holders)]
    told = {
        tuple(int(address.removeprefix("thing/d")) for address in (found.address, related.note.split()[0]))
        for found in check(*resources)
        for related in found.related
    }
    assert all(compete(holders[one], holders[other]) for one, other in told)
    competing = {i for i, one in enumerate(holders) if any(compete(one, o) for j, o in enumerate(holders) if i != j)}
    assert {place for pair in told for place in pair} == competing


# Versions


def plugin(name: str, version: str = "", **needs: str) -> Resource:
    wants = [{"thing": target, "range": span} for target, span in needs.items()]
    return thing(name, version=version or "1.0", needs=wants)


def test_a_version_that_does_for_all_is_no_matter() -> None:
    assert check(plugin("base", "1.4.2"), plugin("a", base=">=1,<2"), plugin("b", base="~=1.4")) == ()
    assert check(plugin("base", ">=1,<3"), plugin("a", base=">=2"), plugin("b", base="<2.5")) == ()


def test_who_wants_what_is_told_at_once() -> None:
    (found,) = check(plugin("base", "1.4.2"), plugin("a", base=">=1"), plugin("b", base="~=2.0"))
    assert (found.code, found.address) == ("version-unsatisfied", "thing/base")
    assert found.summary == "thing/base has the version 1.4.2, which does not do for all who need it."
    assert found.detail == "thing/b wants ~=2.0; thing/a wants >=1."
    assert found.hint == "Change its version."
    assert found.location is not None
    assert found.location.pointer == ("spec", "version")
    assert [(r.note, r.location.path, r.location.pointer) for r in found.related] == [
        ("thing/b wants ~=2.0", "registry.d/b.yaml", ("spec", "needs", 0, "range")),
        ("thing/a wants >=1", "registry.d/a.yaml", ("spec", "needs", 0, "range")),
    ]


def test_ranges_that_do_not_meet_are_told_as_such() -> None:
    for version in ("1.0", ">=1"):
        (found,) = check(plugin("base", version), plugin("a", base="<2"), plugin("b", base=">=2"))
        assert found.hint == "No version does for all of them: one of them has to change."
        assert len(found.related) == 2


def test_what_tells_no_version_does_for_all() -> None:
    assert check(thing("base"), plugin("a", base=">=1")) == ()


def test_a_thousand_who_want_something_are_counted() -> None:
    (found,) = check(plugin("base", "1.0"), *(plugin(f"p{n}", base=f">={n + 2}") for n in range(1000)))
    assert found.detail.endswith("; 980 more want something too.")
    assert len(found.related) == MOST_PLACES


# States that warn


def test_who_depends_on_what_is_leaving_is_warned_with_every_place() -> None:
    users = (thing("a", uses=["old", "thing/old"]), thing("b", needs=[{"thing": "old"}]), thing("c"))
    (found,) = check(thing("old", "leaving"), *users)
    assert (found.code, found.severity) == ("deprecated", Severity.WARNING)
    assert found.summary == "thing/old is leaving, and thing/a and 1 more depend on it."
    assert found.location is not None
    assert (found.location.path, found.location.pointer) == ("registry.d/a.yaml", ("spec", "uses", 0))
    assert Counter(related.note for related in found.related) == {
        "thing/old is to be leaving": 1,
        "thing/a depends on it": 1,
        "thing/b depends on it": 1,
    }


def test_what_is_leaving_and_needed_by_nobody_warns_nobody() -> None:
    assert check(thing("old", "leaving"), thing("a")) == ()
    assert check(thing("old"), thing("a", uses=["old"])) == ()


# What is claimed


def test_claims_follow_from_the_state_and_the_manifest() -> None:
    kind = CATALOGUE.kinds["thing"]
    resource = door("a", 7)
    assert claims(resource, kind).held == ["door 7"]
    assert claims(resource._replace(state="off"), kind).held == []
    assert claims(resource._replace(state="leaving"), kind).warns
    assert [may_claim(CATALOGUE.kinds[slug]) for slug in ("thing", "house", "gate", "plain")] == [
        True,
        False,
        True,
        True,
    ]
