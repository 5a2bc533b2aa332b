from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.model.diagnostics import Severity
from reconciler.model.record import Record, Status
from reconciler.model.resource import Reference, Resource
from reconciler.planner.place import Placed, Rules, node_name, node_of, place

RULES = Rules({"Service": "node"}, {"GridNode": "enabled"}, remote=True)
ZONE = {"zone": "eu"}


def resource(kind: str, name: str, spec: dict[str, Any], state: str = "enabled", registry: str = "") -> Resource:
    manifest = orjson.dumps({"kind": kind, "spec": spec}, option=orjson.OPT_SORT_KEYS)
    node = spec.get("node")
    references = (Reference(f"gridnode/{node}", ("spec", "node")),) if isinstance(node, str) else ()
    address = f"{registry}:{kind.lower()}/{name}".lstrip(":")
    return Resource(address, kind, state, manifest.decode(), manifest, references, f"{name}.yaml", 0, 1)


def node(name: str, slots: int | None = None, state: str = "enabled", registry: str = "", **labels: str) -> Resource:
    spec = {"labels": labels or ZONE, **({} if slots is None else {"capacity": {"slots": slots}})}
    return resource("GridNode", name, spec, state, registry)


def service(name: str, on: object = None, registry: str = "") -> Resource:
    return resource("Service", name, {"node": {"labels": ZONE} if on is None else on}, "running", registry)


def recorded(of: Resource, on: str) -> Record:
    manifest = orjson.dumps({"spec": {"node": on}})
    return Record(of.address, of.kind, of.state, Status.OK, of.fingerprint, manifest)


def placed(
    *resources: Resource,
    records: Mapping[str, Record] | None = None,
    unfit: Set[str] = frozenset(),
    rules: Rules = RULES,
) -> Placed:
    return place({r.address: r for r in resources}, records or {}, rules, unfit)


def record_all(resources: list[Resource], chosen: Mapping[Address, Address]) -> dict[str, Record]:
    return {r.address: recorded(r, node_name(chosen[r.address])) for r in resources}


def test_labels_find_a_node_that_has_them() -> None:
    found = placed(node("a", zone="us"), node("b", zone="eu", disk="ssd"), service("x"))
    assert found.nodes == {"service/x": "gridnode/b"} and found.diagnostics == ()


def test_a_name_is_kept_and_takes_a_slot() -> None:
    found = placed(node("a", slots=1), node("b"), service("x", "a"), service("y"))
    assert found.nodes == {"service/y": "gridnode/b"}


def test_a_full_node_falls_to_the_next() -> None:
    names = [f"s{number}" for number in range(9)]
    found = placed(node("a", slots=3), node("b", slots=3), node("c", slots=3), *map(service, names))
    assert sorted(found.nodes.values()) == [f"gridnode/{name}" for name in "aaabbbccc"]


def test_no_node_is_told_with_the_reasons() -> None:
    found = placed(node("a", state="disabled"), node("b", slots=0), node("c", zone="us"), service("x"))
    (finding,) = found.diagnostics
    assert finding.code == "node-none" and finding.location == ("x.yaml", ("spec", "node"), 0, None, "")
    assert finding.detail == "The nodes with zone=eu: gridnode/a is disabled; gridnode/b is full (0 slots)."
    (finding,) = placed(service("x")).diagnostics
    assert finding.detail == "None has zone=eu."


def test_a_disabled_node_keeps_what_is_there_and_takes_nothing_new() -> None:
    pinned = service("x", "a")
    (told,) = placed(node("a", state="disabled"), pinned, records={pinned.address: recorded(pinned, "a")}).diagnostics
    assert (told.severity, told.detail) == (Severity.WARNING, "It stays there as it is.")
    (told,) = placed(node("a", state="disabled"), pinned).diagnostics
    assert told.severity is Severity.ERROR


def test_what_labels_placed_leaves_a_disabled_node() -> None:
    wish = service("x")
    found = placed(node("a", state="disabled"), node("b"), wish, records={wish.address: recorded(wish, "a")})
    assert found.nodes == {"service/x": "gridnode/b"}


def test_an_unfit_node_is_left_where_there_is_another() -> None:
    wish = service("x")
    records = {wish.address: recorded(wish, "a")}
    assert placed(node("a"), node("b"), wish, records=records, unfit={"gridnode/a"}).nodes[wish.address] == "gridnode/b"
    assert placed(node("a"), wish, records=records, unfit={"gridnode/a"}).nodes[wish.address] == "gridnode/a"
    full = placed(node("a"), node("b", slots=0), node("c"), wish, records=records, unfit={"gridnode/a", "gridnode/c"})
    assert full.nodes[wish.address] == "gridnode/a"


def test_with_a_state_in_a_file_only_the_local_node_is_there() -> None:
    rules = RULES._replace(remote=False)
    assert placed(node("a"), node("local"), service("x"), rules=rules).nodes == {"service/x": "gridnode/local"}
    codes = [told.code for told in placed(node("a"), service("x"), service("y", "a"), rules=rules).diagnostics]
    assert codes == ["node-unreachable", "node-none"]


def test_a_sub_registry_is_placed_on_nodes_of_its_own() -> None:
    inside = service("x", registry="payments")
    found = placed(node("a"), node("b", registry="payments"), inside, service("y"))
    assert found.nodes == {inside.address: "payments:gridnode/b", "service/y": "gridnode/a"}


def test_the_node_of_a_manifest() -> None:
    assert node_of(b'{"spec":{"node":"a"}}', "node") == "a"
    assert node_of(b'{"spec":{"node":"payments:gridnode/a"}}', "node") == "payments:a"
    for here in (b"", b"{}", b'{"spec":{"node":"local"}}', b'{"spec":{"node":"gridnode/local"}}'):
        assert node_of(here, "node") == "local"


nodes = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(0, 9)), max_size=6, unique_by=lambda n: n[0]
)
services = st.lists(st.integers(0, 99).map(str), max_size=12, unique=True).map(
    lambda names: [service(n) for n in names]
)
few = settings(max_examples=60, deadline=None)


def room(of: list[Resource]) -> dict[str, float]:
    return {r.address: r.body()["spec"].get("capacity", {}).get("slots", float("inf")) for r in of}


@few
@given(nodes, services)
def test_no_node_takes_more_than_it_has_slots_and_none_stays_out_where_there_is_room(
    named: list[tuple[str, int | None]], wishes: list[Resource]
) -> None:
    hosts = [node(name, slots) for name, slots in named]
    found = placed(*hosts, *wishes)
    chosen = list(found.nodes.values())
    assert all(chosen.count(address) <= slots for address, slots in room(hosts).items())
    assert len(chosen) == min(len(wishes), sum(room(hosts).values()))
    assert len(found.diagnostics) == len(wishes) - len(chosen)
    assert placed(*reversed(wishes), *reversed(hosts)).nodes == found.nodes or any(s is not None for _, s in named)


@few
@given(nodes, services, st.data())
def test_removing_a_node_moves_only_what_was_on_it(
    named: list[tuple[str, int | None]], wishes: list[Resource], data: st.DataObject
) -> None:
    hosts = [node(name, slots) for name, slots in named]
    before = placed(*hosts, *wishes).nodes
    if len(before) < len(wishes) or not hosts:
        return
    gone = data.draw(st.sampled_from(hosts))
    after = placed(*(h for h in hosts if h != gone), *wishes, records=record_all(wishes, before)).nodes
    assert all(after.get(address) == on for address, on in before.items() if on != gone.address)


@few
@given(nodes, services, st.none() | st.integers(0, 9))
def test_adding_a_node_moves_nothing(
    named: list[tuple[str, int | None]], wishes: list[Resource], slots: int | None
) -> None:
    hosts = [node(name, size) for name, size in named]
    before = placed(*hosts, *wishes).nodes
    known = {wish.address: recorded(wish, node_name(before[wish.address])) for wish in wishes if wish.address in before}
    after = placed(*hosts, node("new", slots), *wishes, records=known).nodes
    assert all(after[address] == on for address, on in before.items())
    assert {on for address, on in after.items() if address not in before} <= {"gridnode/new"}


@few
@given(nodes, services)
def test_without_a_record_a_node_that_comes_takes_only_for_itself(
    named: list[tuple[str, int | None]], wishes: list[Resource]
) -> None:
    hosts = [node(name) for name, _ in named]
    before, after = placed(*hosts, *wishes).nodes, placed(*hosts, node("new"), *wishes).nodes
    assert all(after[address] in (on, "gridnode/new") for address, on in before.items())
