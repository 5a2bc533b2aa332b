"""Drift for people: each difference with the side that moved, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from reconciler.model.change import MISSING
from reconciler.model.drift import Divergence, Drift, Moved
from reconciler.model.record import Status
from reconciler.render.cells import cut, pad, width
from reconciler.render.escape import escape, headline
from reconciler.render.style import Style

_SIDES = {Moved.GIT: "git moved", Moved.WORLD: "the world moved", Moved.BOTH: "both moved"}
_UNAPPLIED = "not applied"
"""In the place of "git moved" where an apply tried to follow and failed."""
_LONGEST_SIDE = max(map(len, _SIDES.values()))
_MOST_CELLS = 80
"""Longer values are cut; the JSON output has them whole."""


def render_drift(drifts: Sequence[Drift], compared: int, style: Style) -> str:
    """The components of `drifts`, and how many they are of those `compared`. Ends in a line end."""
    moved = sum(drift.moved is not Moved.GIT for drift in drifts)
    waiting = sum(drift.moved is not Moved.WORLD for drift in drifts)
    lines = [_verdict(moved, compared, style)]
    if waiting:
        lines.append(f"Not yet as git says: {waiting}. `ureg plan` shows what an apply would do.")
    if moved:
        lines.append("`ureg apply` makes the world as git says, `ureg apply -refresh-only` records what is there.")
    return "\n\n".join((*(_component(drift, style) for drift in drifts), "\n".join(lines))) + "\n"


def _verdict(moved: int, compared: int, style: Style) -> str:
    of = f"{compared} component{'s' * (compared != 1)} compared"
    if moved:
        return f"{style.bold(style.yellow(f'Drift: {moved} changed outside of ureg'))}, {of}."
    return f"{style.bold(style.green('No drift'))}: what is there is as recorded, {of}."


def _component(drift: Drift, style: Style) -> str:
    sides = {**_SIDES, Moved.GIT: _UNAPPLIED} if drift.status is Status.FAILED else _SIDES
    lines = [style.bold(f"{escape(drift.address)}: {sides[drift.moved]}")]
    if drift.source:
        lines.append(style.dim(f"  at {escape(drift.source)}"))
    if drift.status is Status.FAILED:
        lines.append(style.red(f"  its last transition failed: {headline(drift.error)}"))
    names = [escape(divergence.field) for divergence in drift.divergences]
    longest = max(map(width, names))
    lines += [
        f"  {pad(name, longest)}  {pad(sides[divergence.moved], _LONGEST_SIDE)}  {_values(divergence)}"
        for name, divergence in zip(names, drift.divergences, strict=True)
    ]
    return "\n".join(lines)


def _values(divergence: Divergence) -> str:
    """What was recorded, and what became of it on the side that moved."""
    _, desired, recorded, observed, moved = divergence
    if moved is Moved.BOTH:
        return f"{_text(recorded)} -> {_text(desired)} in git, {_text(observed)} in the world"
    other = desired if moved is Moved.GIT else observed
    if recorded is MISSING and moved is Moved.WORLD:
        return _text(other)
    return f"{_text(recorded)} -> {_text(other)}"


def _text(value: Any) -> str:
    if value is MISSING:
        return "nothing"
    text = value if isinstance(value, str) and value else orjson.dumps(value).decode()
    return cut(escape(text), _MOST_CELLS)
