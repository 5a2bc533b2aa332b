"""The way through a lifecycle: the shortest list of verbs from one state to another.

The search runs over states together with two facts: whether the new manifest is in, and whether the component has
been absent on the way. A verb that leaves `absent` and a verb that keeps the state (the update) bring the new manifest
in. To be absent in between destroys what was there, so a way around is taken before any way through, even a longer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from reconciler.model.kind import Kind
from reconciler.model.lifecycle import ABSENT, Lifecycle, Verb

Route: TypeAlias = tuple[Verb, ...]


class _Node(NamedTuple):
    state: str
    current: bool
    """Whether the new manifest is in."""
    renewed: bool
    """Whether it has been absent, or need not be."""


def route(lifecycle: Lifecycle, start: str, goal: str, changed: bool = False, replace: bool = False) -> Route | None:
    """The shortest path of planned verbs from `start` to `goal`; None where there is none.

    With `changed` the new manifest is in at its end, with `replace` it passes through absent. Without `replace` it
    passes through absent only where no other path exists. Of equally short paths the one that updates last is taken,
    then the one whose verbs are declared first.
    """
    if goal == ABSENT:
        changed = replace = False
    first = _Node(start, current=not changed, renewed=not replace or start == ABSENT)
    last = _Node(goal, current=True, renewed=True)
    around = None if replace else _search(lifecycle, first, last, through=False)
    return _search(lifecycle, first, last, through=True) if around is None else around


def passes_absent(verbs: Route) -> bool:
    return any(verb.target == ABSENT for verb in verbs)


class Routes:
    """The routes that one build has found, so that each is searched for once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, bool, bool], Route | None] = {}

    def find(self, kind: Kind, start: str, goal: str, changed: bool = False, replace: bool = False) -> Route | None:
        """As `route`, for the lifecycle of `kind`."""
        key = (kind.slug, start, goal, changed, replace)
        if key not in self._known:
            self._known[key] = route(kind.lifecycle, start, goal, changed, replace)
        return self._known[key]


def _search(lifecycle: Lifecycle, first: _Node, last: _Node, through: bool) -> Route | None:
    order = {name: place for place, name in enumerate(lifecycle.verbs)}
    layer: dict[_Node, Route] = {first: ()}
    seen = {first}
    while layer and last not in layer:
        following: dict[_Node, Route] = {}
        for node, path in layer.items():
            for verb, reached in _moves(lifecycle, node):
                if reached in seen or (reached.state == ABSENT != last.state and not through):
                    continue
                candidate = (*path, verb)
                if reached not in following or _rank(candidate, order) < _rank(following[reached], order):
                    following[reached] = candidate
        seen.update(following)
        layer = following
    return layer.get(last)


def _moves(lifecycle: Lifecycle, node: _Node) -> Iterator[tuple[Verb, _Node]]:
    for verb in lifecycle.verbs.values():
        if node.state in verb.sources and not verb.on_demand:
            state = node.state if verb.target is None else verb.target
            current = node.current or verb.target is None or node.state == ABSENT
            yield verb, _Node(state, current, node.renewed or state == ABSENT)


def _rank(path: Route, order: Mapping[str, int]) -> tuple[int, list[int]]:
    update = next((place for place, verb in enumerate(path) if verb.target is None), len(path))
    return -update, [order[verb.name] for verb in path]
