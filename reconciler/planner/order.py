"""The order of a plan: steps with what they require, and changes as a reader meets them.

Each change has up to two parts. What is taken down (a delete, the first half of a replace) goes before what its record
depends on is taken down. What is brought up (a create, an update, the second half of a replace) goes after what its
manifest depends on was brought up. A delete also waits for each component that an update leads away from it.

Dependencies also count across components that stay as they are: such a one is a relay, a part without steps that hands
on what it waits for.

These rules make no cycle, since the parts fall into three ranks and wait only for their own rank or an earlier one:
what is taken down at once; what is brought up; the deletes that wait for someone to move away. For that, such a late
delete does not hold up the replacement of what it depends on, nor what lies behind a relay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Step
from reconciler.planner.decide import Move
from reconciler.planner.route import Route
from reconciler.planner.select import Records, Resources

_MOST_RELAYED = 64
"""A relay hands on at most this many waits, so that the cost grows with the dependencies and not with their square."""

_Needs: TypeAlias = tuple[Address, ...]


class _Part(NamedTuple):
    """One half of a change; without a change it is a relay. `needs` is what its manifest or its record depends on."""

    needs: _Needs
    change: Change | None = None
    start: str = ""
    verbs: Route = ()


class _Graph(NamedTuple):
    """The parts, with the numbers of those that each waits for. `down` and `up` find the parts of a component."""

    parts: list[_Part]
    waits: list[set[int]]
    down: dict[Address, int]
    up: dict[Address, int]

    def add(self, side: dict[Address, int], address: Address, part: _Part) -> None:
        side[address] = len(self.parts)
        self.parts.append(part)
        self.waits.append(set())

    def deletes(self, address: Address) -> bool:
        number = self.down.get(address)
        change = None if number is None else self.parts[number].change
        return change is not None and change.action is Action.DELETE


def arrange(
    moves: Iterable[Move], resources: Resources, records: Records
) -> tuple[tuple[Change, ...], tuple[Step, ...]]:
    """The changes in dependency order, deletes last, and their steps. The order of `moves` does not matter.

    `resources` and `records` tell what the components without a move depend on. The cost is linear in what is reached
    from the moves.
    """
    graph = _split(sorted(moves, key=lambda move: move.change.address), resources, records)
    _let_up_wait(graph)
    _let_down_wait(graph, _late_deletes(graph))
    order = _sorted(graph.waits)
    up = set(graph.up.values())
    changes = [(number, change) for number in order if (change := graph.parts[number].change)]
    brought = [change for number, change in changes if number in up]
    deleted = [change for _, change in changes if change.action is Action.DELETE]
    return (*brought, *deleted), _steps(graph.parts, _without_relays(graph, order), order)


def _split(moves: Sequence[Move], resources: Resources, records: Records) -> _Graph:
    """The parts of all moves, and the relays between them. Relays come first, since the order does not show them."""
    graph = _Graph([], [], {}, {})
    cuts = [_length_down(change, verbs) for change, verbs in moves]
    down = {move.change.address: _recorded(move.change) for move, cut in zip(moves, cuts, strict=True) if cut}
    up = {change.address: change.after.dependencies for change, _ in moves if change.after}
    for address, needs in _between(down, records).items():
        graph.add(graph.down, address, _Part(needs))
    for address, needs in _between(up, resources).items():
        graph.add(graph.up, address, _Part(needs))
    for (change, verbs), cut in zip(moves, cuts, strict=True):
        address, start = change.address, change.before.state if change.before else ABSENT
        if cut:
            graph.add(graph.down, address, _Part(down[address], change, start, verbs[:cut]))
        if address in up:
            graph.add(graph.up, address, _Part(up[address], change, ABSENT if cut else start, verbs[cut:]))
    return graph


def _between(ends: Mapping[Address, _Needs], known: Resources | Records) -> dict[Address, _Needs]:
    """What `ends` depend on without being among them, directly or through each other, with its own dependencies."""
    found: dict[Address, _Needs] = {}
    waiting = [need for needs in ends.values() for need in needs if need not in ends]
    while waiting:
        address = waiting.pop()
        if address not in found and address in known:
            found[address] = known[address].dependencies
            waiting.extend([need for need in found[address] if need not in ends])
    return found


def _length_down(change: Change, verbs: Route) -> int:
    """How many of the verbs take the component down."""
    if change.action is Action.DELETE:
        return len(verbs)
    if change.action is Action.REPLACE:
        return 1 + next(place for place, verb in enumerate(verbs) if verb.target == ABSENT)
    return 0


def _let_up_wait(graph: _Graph) -> None:
    for address, number in graph.up.items():
        graph.waits[number].update([graph.up[need] for need in graph.parts[number].needs if need in graph.up])
        half = graph.down.get(address)
        if half is not None and graph.parts[half].change:
            graph.waits[number].add(half)


def _let_down_wait(graph: _Graph, late: set[Address]) -> None:
    for address, number in graph.down.items():
        for need in graph.parts[number].needs:
            if need in graph.down and (address not in late or graph.deletes(need)):
                graph.waits[graph.down[need]].add(number)


def _late_deletes(graph: _Graph) -> set[Address]:
    """Lets deletes wait for the updates that lead away from them; returns those, and the deletes that wait for them."""
    waiting: list[Address] = []
    for number in graph.up.values():
        for other in _left(graph.parts[number].change):
            if graph.deletes(other):
                graph.waits[graph.down[other]].add(number)
                waiting.append(other)
    late: set[Address] = set()
    while waiting:
        address = waiting.pop()
        if address not in late and graph.deletes(address):
            late.add(address)
            waiting.extend(graph.parts[graph.down[address]].needs)
    return late


def _left(change: Change | None) -> Iterable[Address]:
    """What the component depended on before its update and does not any more."""
    if change is None or change.action is not Action.UPDATE:
        return ()
    kept = change.after.dependencies if change.after else ()
    return [address for address in _recorded(change) if address not in kept]


def _recorded(change: Change) -> _Needs:
    return change.before.dependencies if change.before else ()


def _sorted(waits: Sequence[set[int]]) -> list[int]:
    """The numbers so that each comes after those it waits for, small ones first where there is a choice.

    Only a state that was tampered with can hold a cycle; it is entered at its smallest number.
    """
    followers: list[list[int]] = [[] for _ in waits]
    for number, others in enumerate(waits):
        for other in others:
            followers[other].append(number)
    missing = [len(others) for others in waits]
    ready = [number for number, count in enumerate(missing) if not count]
    unplaced = iter(range(len(waits)))
    placed: dict[int, None] = {}
    while len(placed) < len(waits):
        number = heappop(ready) if ready else next(number for number in unplaced if number not in placed)
        placed[number] = None
        for follower in followers[number]:
            missing[follower] -= 1
            if not missing[follower] and follower not in placed:
                heappush(ready, follower)
    return list(placed)


def _without_relays(graph: _Graph, order: Sequence[int]) -> Sequence[set[int]]:
    """What each part waits for, with what relays wait for in their place.

    Where a relay would hand on too much, the last of that waits for all the others and is handed on alone.
    """
    if all(part.change for part in graph.parts):
        return graph.waits
    places = {number: place for place, number in enumerate(order)}
    waits: list[set[int]] = [set() for _ in order]
    for number in order:
        for other in graph.waits[number]:
            waits[number].update({other} if graph.parts[other].change else waits[other])
        if not graph.parts[number].change and len(waits[number]) > _MOST_RELAYED:
            last = max(waits[number], key=places.__getitem__)
            waits[last].update(waits[number] - {last})
            waits[number] = {last}
    return waits


def _steps(parts: Sequence[_Part], waits: Sequence[set[int]], order: Sequence[int]) -> tuple[Step, ...]:
    steps: list[Step] = []
    last: dict[int, int] = {}
    for number in order:
        _, change, state, verbs = parts[number]
        if change is None:
            continue
        requires = tuple(sorted([last[other] for other in waits[number] if other in last]))
        for verb in verbs:
            target = verb.target or state
            steps.append(Step(len(steps), change.address, verb.name, state, target, requires, verb.timeout or 0.0))
            requires, state = (len(steps) - 1,), target
        last[number] = len(steps) - 1
    return tuple(steps)
