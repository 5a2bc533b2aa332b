"""Draws a kind's lifecycle for Graphviz (DOT) and for Markdown pages (Mermaid)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reconciler.model.kind import Kind
from reconciler.model.lifecycle import ABSENT, Lifecycle, Verb
from reconciler.render.escape import escape, quote


class _Arrow(NamedTuple):
    source: str
    target: str
    verb: Verb


def render_lifecycle_dot(kind: Kind) -> str:
    """A verb that is only asked for has a dashed arrow, the default state a thick border."""
    lifecycle = kind.lifecycle
    lines = [f"digraph {quote(kind.name)} {{", "  rankdir = LR", "  node [shape = box, style = rounded]"]
    lines.append(f"  {quote(ABSENT)} [shape = plaintext]")
    lines += [f"  {quote(state)}{' [penwidth = 2]' * (state == lifecycle.default)}" for state in lifecycle.states]
    for source, target, verb in _arrows(lifecycle):
        dashed = ", style = dashed" if verb.on_demand else ""
        lines.append(f"  {quote(source)} -> {quote(target)} [label = {quote(verb.name)}{dashed}]")
    return "\n".join((*lines, "}", ""))


def render_lifecycle_mermaid(kind: Kind) -> str:
    """A state diagram, which begins and ends where the component is absent."""
    lifecycle = kind.lifecycle
    ids = {state: f"s{number}" for number, state in enumerate(lifecycle.states)} | {ABSENT: "[*]"}
    lines = ["stateDiagram-v2", "  direction LR"]
    for state in lifecycle.states:
        label = f"{state} (default)" if state == lifecycle.default else state
        lines.append(f"  {ids[state]}: {escape(label)}")
    for source, target, verb in _arrows(lifecycle):
        label = f"{verb.name} (on demand)" if verb.on_demand else verb.name
        lines.append(f"  {ids[source]} --> {ids[target]}: {escape(label)}")
    return "\n".join((*lines, ""))


def _arrows(lifecycle: Lifecycle) -> Iterator[_Arrow]:
    for verb in lifecycle.verbs.values():
        for source in verb.sources:
            yield _Arrow(source, verb.target or source, verb)
