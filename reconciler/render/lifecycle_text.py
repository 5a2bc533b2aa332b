"""Draws a kind's lifecycle for people: the states from top to bottom, the verbs as the ways between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, zip_longest

from reconciler.model.kind import Kind
from reconciler.model.lifecycle import ABSENT, Lifecycle, Verb
from reconciler.render.cells import pad, width
from reconciler.render.escape import escape
from reconciler.render.progress import duration
from reconciler.render.style import Style
from reconciler.render.table import render_table

_GAP = "   "
_FAILURE = (
    "A verb that fails leaves the component in the state that it was in, marked as failed.\n"
    "The next apply goes on from there."
)


def render_lifecycle(kind: Kind, style: Style) -> str:
    """The drawing, every verb with its limit of time, and what else the verbs are called."""
    lifecycle = kind.lifecycle
    names = escape(", ".join((kind.plural, *kind.aliases)))
    rows = [_row(verb) for verb in lifecycle.verbs.values()]
    parts = [
        f"{style.bold(escape(kind.name))} ({names}), driver {escape(kind.driver)}",
        "\n".join(_drawing(lifecycle)).rstrip(),
        render_table(("VERB", "FROM", "TO", "LIMIT"), rows, style).rstrip("\n"),
    ]
    if lifecycle.aliases:
        also = (f"{alias} for {verb}" for alias, verb in lifecycle.aliases.items())
        parts.append(escape(f"Other words: {', '.join(also)}."))
    return "\n\n".join((*parts, _FAILURE)) + "\n"


def _drawing(lifecycle: Lifecycle) -> Iterator[str]:
    """Neighbours are joined by arrows. What stays in a state, or leads farther, stands at its right."""
    states = _in_order(lifecycle)
    ways = [(_labels(lifecycle, one, two), _labels(lifecycle, two, one)) for one, two in pairwise(states)]
    down = max((width(label) for downs, _ in ways for label in downs), default=0)
    notes = [[*_staying(lifecycle, state), *_leaving(lifecycle, states, place)] for place, state in enumerate(states)]
    rows: list[tuple[str, str]] = []
    for state, (downs, ups), beside in zip(states, [*ways, ([], [])], notes, strict=True):
        name = f"  {escape(state)}{' (default)' * (state == lifecycle.default)}"
        arrows = list(_arrows(downs, ups, len(beside) - 1, down))
        rows += zip_longest([name, *arrows], beside, fillvalue="")
    left = max(width(drawn) for drawn, _ in rows)
    yield from (f"{pad(drawn, left)}{_GAP}{note}".rstrip() for drawn, note in rows)


def _in_order(lifecycle: Lifecycle) -> Sequence[str]:
    """The states by how many verbs they are away from absent."""
    order = {ABSENT: None}
    for state in (queue := [ABSENT]):
        for verb in lifecycle.verbs.values():
            if state in verb.sources and verb.target and verb.target not in order:
                order[verb.target] = None
                queue.append(verb.target)
    return [*order, *(state for state in lifecycle.states if state not in order)]


def _labels(lifecycle: Lifecycle, source: str, target: str) -> list[str]:
    return [_label(verb) for verb in lifecycle.verbs.values() if source in verb.sources and verb.target == target]


def _label(verb: Verb) -> str:
    return escape(f"{verb.name} (on demand)" if verb.on_demand else verb.name)


def _arrows(downs: Sequence[str], ups: Sequence[str], height: int, down: int) -> Iterator[str]:
    """The lines between two states, at least `height` of them: an arrow down and one up, as far as there are verbs."""
    height = max(height, len(downs) + 1, len(ups) + 1, 2)
    if not downs and not ups:
        yield from [""] * (height - 1)
        return
    for place in range(height):
        falling = "▼" if place == height - 1 else "│"
        rising = "▲" if place == 0 else "│"
        left = f"{falling} {downs[place] if place < len(downs) else ''}" if downs else ""
        right = f"{rising} {ups[place] if place < len(ups) else ''}" if ups else ""
        yield f"    {pad(left, down + 2)}{_GAP}{right}".rstrip()


def _staying(lifecycle: Lifecycle, state: str) -> Iterable[str]:
    found = [
        _label(verb) for verb in lifecycle.verbs.values() if state in verb.sources and verb.target in (None, state)
    ]
    return [f"↻ {', '.join(found)}"] if found else []


def _leaving(lifecycle: Lifecycle, states: Sequence[str], place: int) -> Iterator[str]:
    near = states[max(place - 1, 0) : place + 2]
    for verb in lifecycle.verbs.values():
        if states[place] in verb.sources and verb.target and verb.target not in near:
            yield f"{_label(verb)} ─▶ {escape(verb.target)}"


def _row(verb: Verb) -> tuple[str, ...]:
    return (_label(verb), ", ".join(verb.sources), verb.target or "the same", _limit(verb.timeout or 0.0))


def _limit(seconds: float) -> str:
    if seconds % 1:
        return f"{seconds:g}s"
    return duration(seconds) if seconds else ""
