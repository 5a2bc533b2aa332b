"""Draws components and what they depend on, for Graphviz (DOT) and for Markdown pages (Mermaid)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reconciler.model.address import Address
from reconciler.render.escape import escape, quote

Graph = Mapping[Address, Sequence[Address]]
"""What each component depends on."""

_MERMAID = re.compile(r"[^\w /.:@+-]", re.ASCII)


def render_dot(graph: Graph) -> str:
    lines = ["digraph ureg {", "  rankdir = LR", "  node [shape = box]"]
    lines += [f"  {quote(address)}" for address in _nodes(graph)]
    lines += [f"  {quote(address)} -> {quote(target)}" for address in sorted(graph) for target in graph[address]]
    return "\n".join((*lines, "}", ""))


def render_mermaid(graph: Graph) -> str:
    ids = {address: f"n{number}" for number, address in enumerate(_nodes(graph))}
    lines = ["flowchart LR"]
    lines += [f'  {name}["{_mermaid_label(address)}"]' for address, name in ids.items()]
    lines += [f"  {ids[address]} --> {ids[target]}" for address in sorted(graph) for target in graph[address]]
    return "\n".join((*lines, ""))


def _nodes(graph: Graph) -> list[Address]:
    return sorted(graph.keys() | {target for targets in graph.values() for target in targets})


def _mermaid_label(address: Address) -> str:
    return _MERMAID.sub(lambda match: f"#{ord(match[0])};", escape(address))
