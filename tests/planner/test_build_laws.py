"""The laws of planning, held over random registries: lifecycles, dependencies, records and what drivers saw."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import orjson
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reconciler.model.address import parse_address
from reconciler.model.change import Action
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.kind import Catalogue, Field, Kind
from reconciler.model.lifecycle import ABSENT, SIMPLE, Lifecycle, Verb
from reconciler.model.plan import Mode, Options, Plan
from reconciler.model.record import Observation, Record, RecordedState, Status
from reconciler.model.resource import DesiredState, Reference, Resource, Revision
from reconciler.model.settings import Guards
from reconciler.planner import build as build_module
from reconciler.planner import order
from reconciler.planner.build import build

NORMAL = Options()
FIELDS = Field({"spec": Field({"fixed": Field({}, immutable=True)})})
KINDS = ("simple", "switch", "chain")
law = hypothesis_settings(max_examples=100, deadline=None)


Tried: TypeAlias = tuple[Plan | None, Diagnostics]


class World(NamedTuple):
    """One random case."""

    catalogue: Catalogue
    resources: Mapping[str, Resource]
    records: Mapping[str, Record]
    observations: tuple[Observation, ...]
    schedule: random.Random

    def plan(self, options: Options = NORMAL, records: Mapping[str, Record] | None = None) -> Plan:
        plan, diagnostics = self.try_plan(options, records)
        assert plan is not None, diagnostics
        return plan

    def try_plan(self, options: Options = NORMAL, records: Mapping[str, Record] | None = None) -> Tried:
        desired = DesiredState(self.resources, Revision("c", "t", False), "s")
        recorded = RecordedState("line", 1, self.records if records is None else records)
        seen = self.observations if records is None else ()
        return build(desired, recorded, seen, self.catalogue, options, Guards(), "2026-01-01T00:00:00Z")

    def start(self) -> dict[str, Record]:
        """The records as a refresh would correct them."""
        records = dict(self.records)
        for address, state, drift, _ in self.observations:
            asked = self.resources.get(address)
            stays = state in (records[address].state, asked.state if asked else "")
            status = Status.DRIFTED if drift and stays else records[address].status
            records[address] = records[address]._replace(state=state, status=status)
        return records


def lifecycle(verbs: list[Verb], states: tuple[str, ...]) -> Lifecycle:
    return Lifecycle(states, states[0], {verb.name: verb for verb in verbs}, {})


SWITCH = lifecycle(
    [
        Verb("add", (ABSENT,), "on"),
        Verb("enable", ("off",), "on"),
        Verb("disable", ("on",), "off"),
        Verb("remove", ("on", "off"), ABSENT),
    ],
    ("on", "off"),
)


@st.composite
def chains(draw: st.DrawFn) -> Lifecycle:
    """A random lifecycle in which every state can be reached from every other."""
    states = ("s0", "s1", "s2")[: draw(st.integers(1, 3))]
    some = st.sets(st.sampled_from(states), min_size=1).map(lambda found: tuple(sorted(found)))
    verbs = [Verb("create", (ABSENT,), draw(st.sampled_from(states))), Verb("remove", draw(some), ABSENT)]
    verbs += [Verb(f"to-{a}", (b,), a) for a, b in zip(states, (*states[1:], states[0]), strict=True) if a != b]
    verbs += [Verb("update", draw(some))] if draw(st.booleans()) else []
    return lifecycle(draw(st.permutations(verbs)), states)


def kind(slug: str, states: Lifecycle) -> Kind:
    return Kind(slug.title(), slug, f"{slug}s", (), "record", states, "", lambda: FIELDS, {}, f"{slug}.schema.json")


STATUSES = st.sampled_from((Status.OK, Status.OK, Status.FAILED, Status.DRIFTED))
BODIES = st.fixed_dictionaries({"fixed": st.integers(0, 1), "free": st.integers(0, 1)})


def manifest(name: str, body: Any, needs: tuple[str, ...]) -> bytes:
    return orjson.dumps({"metadata": {"dependsOn": needs, "name": name}, "spec": body}, option=orjson.OPT_SORT_KEYS)


@st.composite
def graphs(draw: st.DrawFn, order: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """A random choice of dependencies, each on something earlier."""
    return {
        address: tuple(draw(st.lists(st.sampled_from(order[:place]), max_size=3, unique=True))) if place else ()
        for place, address in enumerate(order)
    }


@st.composite
def worlds(draw: st.DrawFn, prefix: str = "") -> World:
    """Some components are only desired, some only recorded; about half of the rest are recorded as desired."""
    kinds = {"simple": kind("simple", SIMPLE), "switch": kind("switch", SWITCH), "chain": kind("chain", draw(chains()))}
    pool = tuple(f"{draw(st.sampled_from(KINDS))}/{prefix}{number}" for number in range(draw(st.integers(0, 6))))
    resources = {}
    for address, needs in draw(graphs(tuple(address for address in pool if draw(st.integers(0, 3))))).items():
        slug = parse_address(address).kind
        data = manifest(address, draw(BODIES), needs)
        references = tuple(Reference(need, ("metadata", "dependsOn", place)) for place, need in enumerate(needs))
        state = draw(st.sampled_from(kinds[slug].lifecycle.states))
        resources[address] = Resource(address, slug, state, repr(data), data, references, f"{address}.yaml", 0, 1)
    order = pool if draw(st.booleans()) else tuple(draw(st.permutations(pool)))
    records = {}
    for address, needs in draw(graphs(tuple(address for address in order if draw(st.integers(0, 3))))).items():
        if order == pool and address in resources and draw(st.booleans()):
            records[address] = as_record(resources[address])._replace(status=draw(STATUSES))
        else:
            records[address] = draw(recorded(address, needs, kinds[parse_address(address).kind]))
    seen = tuple(draw(observed(record, kinds)) for record in records.values() if draw(st.booleans()))
    return World(Catalogue(kinds, "s", {}), resources, records, seen, random.Random(draw(st.integers(0, 99))))


@st.composite
def recorded(draw: st.DrawFn, address: str, needs: tuple[str, ...], kind: Kind) -> Record:
    status = draw(STATUSES)
    absent = status is Status.FAILED and draw(st.booleans())
    state = ABSENT if absent else draw(st.sampled_from(kind.lifecycle.states))
    data = b"" if absent else manifest(address, draw(BODIES), needs)
    references = b"[]" if absent else orjson.dumps(needs)
    return Record(address, kind.slug, state, status, repr(data), data, references, f"{address}.yaml:1")


@st.composite
def observed(draw: st.DrawFn, record: Record, kinds: Mapping[str, Kind]) -> Observation:
    if record.state == ABSENT:
        return Observation(record.address, ABSENT)
    states = kinds[record.kind].lifecycle.states
    state = draw(st.sampled_from((record.state, record.state, ABSENT, *states)))
    return Observation(record.address, state, draw(st.sampled_from(("", "", "the file differs"))))


def as_record(resource: Resource) -> Record:
    needs = orjson.dumps(resource.dependencies)
    return Record(
        resource.address, resource.kind, resource.state, Status.OK, resource.fingerprint, resource.manifest, needs
    )


def carry_out(world: World, plan: Plan) -> dict[str, Record]:
    """The records after the plan's steps, run one by one in a random order that their requirements allow."""
    records = world.start()
    changes = {change.address: change for change in plan.changes}
    replaced = {change.address for change in plan.changes if change.action is Action.REPLACE}
    broken = missing(world, records)
    done: set[int] = set()
    assert [step.number for step in plan.steps] == list(range(len(plan.steps)))
    assert all(number < step.number for step in plan.steps for number in step.requires)
    while len(done) < len(plan.steps):
        ready = [step for step in plan.steps if step.number not in done and done.issuperset(step.requires)]
        step = world.schedule.choice(ready)
        old = records.get(step.address)
        assert step.source == (old.state if old else ABSENT)
        change = changes[step.address]
        verb = world.catalogue.kinds[parse_address(step.address).kind].lifecycle.verbs[step.verb]
        if step.target == ABSENT:
            records.pop(step.address)
        elif step.source == ABSENT or verb.target is None:
            assert change.after is not None
            needs = orjson.dumps(change.after.dependencies)
            records[step.address] = Record(
                step.address,
                change.kind,
                step.target,
                Status.OK,
                change.after.fingerprint,
                change.after.manifest,
                needs,
            )
        else:
            assert old is not None
            status = Status.DRIFTED if old.status is Status.DRIFTED else Status.OK
            records[step.address] = old._replace(state=step.target, status=status)
        done.add(step.number)
        assert {(a, b) for a, b in missing(world, records) - broken if b not in replaced} == set()
    return records


def missing(world: World, records: Mapping[str, Record]) -> set[tuple[str, str]]:
    """Components that are there while something they depend on is not, though someone manages it."""
    there = {address for address, record in records.items() if record.state != ABSENT}
    managed = {*world.resources, *world.records}
    needs = {(address, other) for address in there for other in records[address].dependencies}
    return {(address, other) for address, other in needs if other in managed and other not in there}


@law
@given(worlds())
def test_what_is_recorded_as_desired_needs_no_plan(world: World) -> None:
    plan = world.plan(records={address: as_record(resource) for address, resource in world.resources.items()})
    assert (plan.changes, plan.steps, plan.drift, plan.guards) == ((), (), (), ())
    assert [record.address for record in plan.unchanged] == sorted(world.resources)


@law
@given(worlds())
def test_a_plan_carried_out_leads_to_the_desired_state_and_the_next_plan_is_empty(world: World) -> None:
    after = carry_out(world, world.plan())
    assert {a: (r.state, r.fingerprint) for a, r in after.items()} == {
        address: (resource.state, resource.fingerprint) for address, resource in world.resources.items()
    }
    assert world.plan(records=after).changes == ()
    assert Status.DRIFTED not in {record.status for record in after.values()}
    assert {r.status for r in after.values() if r.kind == "simple"} <= {Status.OK}


@law
@given(worlds())
def test_changes_follow_their_dependencies_and_deletes_come_last(world: World) -> None:
    plan = world.plan()
    places = {change.address: place for place, change in enumerate(plan.changes)}
    deleted = {change.address for change in plan.changes if change.action is Action.DELETE}
    assert [change.address in deleted for change in plan.changes] == sorted(a in deleted for a in places)
    for change in plan.changes:
        for need in change.after.dependencies if change.after else ():
            assert places.get(need, -1) < places[change.address]
        for need in change.before.dependencies if change.before and change.address in deleted else ():
            assert need not in deleted or places[need] > places[change.address]


def reachable(start: str, edges: Mapping[str, tuple[str, ...]]) -> set[str]:
    """What `start` depends on, directly or through others."""
    found: set[str] = set()
    waiting = [*edges.get(start, ())]
    while waiting:
        address = waiting.pop()
        if address not in found:
            found.add(address)
            waiting += edges.get(address, ())
    return found


def ends(plan: Plan) -> dict[tuple[str, bool], tuple[int, int]]:
    """The first and the last step of what brings a component up (True) and of what takes it down (False)."""
    found: dict[tuple[str, bool], tuple[int, int]] = {}
    going = {c.address for c in plan.changes if c.action in {Action.DELETE, Action.REPLACE}}
    for step in plan.steps:
        half = step.address, step.address not in going
        found[half] = found.get(half, (step.number,))[0], step.number
        if step.target == ABSENT:
            going.discard(step.address)
    return found


def required(plan: Plan) -> list[set[int]]:
    """All that each step waits for, directly or through others."""
    waits: list[set[int]] = []
    for step in plan.steps:
        waits.append(set(step.requires).union(*(waits[number] for number in step.requires)))
    return waits


SIX = tuple(f"simple/{number}" for number in range(6))


@law
@given(graphs(SIX), st.lists(st.sampled_from(["stays", "stays", "goes", "replaced"]), min_size=6, max_size=6))
def test_steps_keep_the_order_of_dependencies_however_far(
    needs: Mapping[str, tuple[str, ...]], fates: list[str]
) -> None:
    """Also across what stays. Nothing moves away from what is deleted here, which may come late."""
    all_six = {a: plain(a, needs[a]) for a in SIX}
    named = {need for address in SIX for need in needs[address]}
    fate = dict(zip(SIX, fates, strict=True))
    kept = {a: all_six[a] for a in SIX if fate[a] != "goes" or a in named}
    world = World(Catalogue({"simple": kind("simple", SIMPLE)}, "s", {}), kept, {}, (), random.Random(0))
    replaced = tuple(a for a in SIX if fate[a] == "replaced")
    plan = world.plan(Options(replace=replaced), {a: as_record(resource) for a, resource in all_six.items()})
    halves, waits = ends(plan), required(plan)
    for (address, up), (first, last) in halves.items():
        for other in (other for other in reachable(address, needs) if (other, up) in halves):
            other_first, other_last = halves[other, up]
            assert other_last in waits[first] if up else last in waits[other_first]


def plain(address: str, needs: tuple[str, ...]) -> Resource:
    data = manifest(address, {}, needs)
    references = tuple(Reference(need, ("metadata", "dependsOn", place)) for place, need in enumerate(needs))
    return Resource(address, "simple", SIMPLE.default, repr(data), data, references, f"{address}.yaml", 0, 1)


@law
@given(worlds())
def test_neither_the_order_of_files_nor_of_records_matters(world: World) -> None:
    def shuffled(values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(world.schedule.sample(sorted(values.items()), len(values)))

    other = world._replace(
        resources=shuffled(world.resources), records=shuffled(world.records), observations=world.observations[::-1]
    )
    assert other.plan() == world.plan()


@law
@given(worlds("a"), worlds("b"))
def test_disjoint_changes_add_up(one: World, two: World) -> None:
    two = two._replace(catalogue=one.catalogue)
    if any(parse_address(address).kind == "chain" for address in (*two.resources, *two.records)):
        one, two = one._replace(resources={}, records={}, observations=()), one
    both = one._replace(
        resources={**one.resources, **two.resources},
        records={**one.records, **two.records},
        observations=(*one.observations, *two.observations),
    )
    parts = [change for world in (one, two) for change in world.plan().changes]
    assert sorted(both.plan().changes, key=lambda c: c.address) == sorted(parts, key=lambda c: c.address)


@law
@given(worlds())
def test_destroy_leaves_nothing(world: World) -> None:
    plan = world.plan(Options(mode=Mode.DESTROY))
    assert {change.action for change in plan.changes} <= {Action.DELETE}
    assert carry_out(world, plan) == {}


@law
@given(worlds(), st.data())
def test_a_part_of_a_plan_touches_nothing_else_and_breaks_nothing(world: World, data: st.DataObject) -> None:
    known = sorted({*world.resources, *world.records})
    if not known:
        return
    chosen = st.lists(st.sampled_from(known), max_size=2).map(tuple)
    mode = data.draw(st.sampled_from((Mode.NORMAL, Mode.DESTROY)))
    options = Options(mode, data.draw(chosen), data.draw(chosen), data.draw(chosen))
    plan, diagnostics = world.try_plan(options)
    if plan is None:
        assert {finding.code for finding in diagnostics} == {"delete-referenced"}
        return
    touched = {change.address for change in plan.changes}
    assert not touched & set(options.excludes)
    after = carry_out(world, plan)
    start = world.start()
    assert {a: after[a] for a in after if a not in touched} == {a: start[a] for a in start if a not in touched}


@law
@given(worlds())
def test_a_refresh_only_plan_changes_nothing_and_shows_the_drift(world: World) -> None:
    plan = world.plan(Options(mode=Mode.REFRESH_ONLY))
    assert (plan.changes, plan.steps) == ((), ())
    assert {record.address for record, _ in plan.drift} == {
        seen.address for seen in world.observations if seen.drift or seen.state != world.records[seen.address].state
    }


@law
@given(worlds(), st.data())
def test_even_records_that_depend_on_each_other_in_a_circle_give_an_order(world: World, data: st.DataObject) -> None:
    known = sorted(world.records)
    records = {
        address: record._replace(references=orjson.dumps(data.draw(st.lists(st.sampled_from(known), max_size=3))))
        for address, record in world.records.items()
    }
    plan = world._replace(records=records).plan()
    assert all(number < step.number for step in plan.steps for number in step.requires)


@law
@given(worlds())
def test_the_rules_of_order_make_no_circle(world: World) -> None:
    desired = DesiredState(world.resources, Revision("c", "t", False), "s")
    recorded = RecordedState("line", 1, world.records)
    scene = build_module._scene(desired, recorded, world.observations, world.catalogue, NORMAL)
    moves = sorted(build_module._moves(scene)[0], key=lambda move: move.change.address)
    graph = order._split(moves, world.resources, world.records)
    order._let_up_wait(graph)
    order._let_down_wait(graph, order._late_deletes(graph))
    places = {number: place for place, number in enumerate(order._sorted(graph.waits))}
    assert all(places[other] < places[number] for number, others in enumerate(graph.waits) for other in others)
