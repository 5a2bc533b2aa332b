"""The order of a plan: steps with what they require, and changes as a reader meets them.

Each change has up to two parts. What is taken down (a delete, the first half of a replace) goes before what its record
depends on is taken down. What is brought up (a create, an update, the second half of a replace) goes after what its
manifest depends on was brought up. A delete also waits for each component that an update leads away from it.

These rules make no cycle, since the parts fall into three ranks and wait only for their own rank or an earlier one:
what is taken down at once; what is brought up; the deletes that wait for someone to move away. For that, such a late
delete does not hold up the replacement of what it depends on: like a component that does not change, it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Step
from reconciler.planner.decide import Move
from reconciler.planner.route import Route


class _Part(NamedTuple):
    change: Change
    start: str
    verbs: Route


class _Graph(NamedTuple):
    """The parts, with the numbers of those that each waits for. `down` and `up` find the parts of a component."""

    parts: list[_Part]
    waits: list[set[int]]
    down: dict[Address, int]
    up: dict[Address, int]

    def add(self, side: dict[Address, int], part: _Part) -> None:
        side[part.change.address] = len(self.parts)
        self.parts.append(part)
        self.waits.append(set())


def arrange(moves: Iterable[Move]) -> tuple[tuple[Change, ...], tuple[Step, ...]]:
    """The changes in dependency order, deletes last, and their steps. The order of `moves` does not matter."""
    graph = _split(sorted(moves, key=lambda move: move.change.address))
    _let_up_wait(graph)
    _let_down_wait(graph, _late_deletes(graph))
    order = _sorted(graph.waits)
    up = set(graph.up.values())
    brought = [graph.parts[number].change for number in order if number in up]
    deleted = [graph.parts[number].change for number in order if graph.parts[number].change.action is Action.DELETE]
    return (*brought, *deleted), _steps(graph, order)


def _split(moves: Iterable[Move]) -> _Graph:
    graph = _Graph([], [], {}, {})
    for change, verbs in moves:
        start = change.before.state if change.before else ABSENT
        cut = _length_down(change, verbs)
        if cut:
            graph.add(graph.down, _Part(change, start, verbs[:cut]))
        if change.after:
            graph.add(graph.up, _Part(change, ABSENT if cut else start, verbs[cut:]))
    return graph


def _length_down(change: Change, verbs: Route) -> int:
    """How many of the verbs take the component down."""
    if change.action is Action.DELETE:
        return len(verbs)
    if change.action is Action.REPLACE:
        return 1 + next(place for place, verb in enumerate(verbs) if verb.target == ABSENT)
    return 0


def _let_up_wait(graph: _Graph) -> None:
    for address, number in graph.up.items():
        after = graph.parts[number].change.after
        graph.waits[number].update(
            graph.up[other] for other in (after.dependencies if after else ()) if other in graph.up
        )
        if address in graph.down:
            graph.waits[number].add(graph.down[address])


def _let_down_wait(graph: _Graph, late: set[Address]) -> None:
    for address, number in graph.down.items():
        for other in _recorded_dependencies(graph.parts[number].change):
            if other in graph.down and not (address in late and other in graph.up):
                graph.waits[graph.down[other]].add(number)


def _late_deletes(graph: _Graph) -> set[Address]:
    """Lets deletes wait for the updates that lead away from them; returns those, and the deletes that wait for them."""
    waiting = []
    for number in graph.up.values():
        change = graph.parts[number].change
        for other in _recorded_dependencies(change) if change.action is Action.UPDATE else ():
            if _is_left(graph, change, other):
                graph.waits[graph.down[other]].add(number)
                waiting.append(other)
    late: set[Address] = set()
    while waiting:
        address = waiting.pop()
        if address not in late and address not in graph.up and address in graph.down:
            late.add(address)
            waiting.extend(_recorded_dependencies(graph.parts[graph.down[address]].change))
    return late


def _is_left(graph: _Graph, change: Change, other: Address) -> bool:
    """Whether `change` leads away from `other`, which is deleted."""
    stays = change.after is not None and other in change.after.dependencies
    return other in graph.down and other not in graph.up and not stays


def _recorded_dependencies(change: Change) -> tuple[Address, ...]:
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


def _steps(graph: _Graph, order: Sequence[int]) -> tuple[Step, ...]:
    steps: list[Step] = []
    last: dict[int, int] = {}
    for number in order:
        change, state, verbs = graph.parts[number]
        requires = tuple(sorted([last[other] for other in graph.waits[number] if other in last]))
        for verb in verbs:
            target = verb.target or state
            steps.append(Step(len(steps), change.address, verb.name, state, target, requires, verb.timeout or 0.0))
            requires, state = (len(steps) - 1,), target
        last[number] = len(steps) - 1
    return tuple(steps)
