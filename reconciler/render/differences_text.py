"""Lays out the differences of two manifests as a tree: what changed with its way there, the rest as a count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from reconciler.model.change import MISSING, Difference
from reconciler.model.kind import Field
from reconciler.render.escape import escape_lines, quote
from reconciler.render.style import Style
from reconciler.render.values import SENSITIVE, STEP, block_mark, child, label, value_text

_CONTEXT = 1
"""How many unchanged lines are shown on either side of what changed in a text."""


class _Node:
    """What differs at a place, and below it."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self.below: dict[str | int, _Node] = {}

    @property
    def remains(self) -> bool:
        return bool(self.below) or any(difference.after is not MISSING for difference in self.differences)


def differences_text(
    differences: Sequence[Difference], after: Mapping[str, Any], style: Style, indent: int, root: Field
) -> list[str]:
    """The lines for `differences`, whose pointers start at `after`: the manifest as it will be."""
    tree = _Node()
    for difference in differences:
        node = tree
        for part in difference.pointer:
            node = node.below.setdefault(part, _Node())
        node.differences.append(difference)
    return list(_level(tree, after, style, indent, root))


def _level(node: _Node, after: Any, style: Style, indent: int, at: Field | None) -> Iterator[str]:
    pad = " " * indent
    named = [(_name(part, here, after, at), here, part) for part, below in node.below.items() for here in _each(below)]
    longest = max((len(name) for name, _, _ in named), default=0)
    for short, here, part in named:
        name, field_below = f"{short:<{longest}}", child(at, part)
        if isinstance(here, Difference):
            yield f"{pad}{_difference(here, name, style, indent, field_below)}"
            continue
        value = _at(after, part)
        opening, closing = "[]" if isinstance(value, list) else "{}"
        yield f"{pad}{style.yellow('~')} {name} = {opening}"
        yield from _level(here, value, style, indent + STEP, field_below)
        yield f"{pad}  {closing}"
    changed = sum(below.remains for below in node.below.values())
    noun = "element" if isinstance(after, list) else "attribute"
    yield from _hidden(len(after) - changed if isinstance(after, (dict, list)) else 0, noun, style, indent)


def _each(node: _Node) -> Iterator[Difference | _Node]:
    yield from node.differences
    if node.below:
        yield node


def _difference(difference: Difference, name: str, style: Style, indent: int, at: Field | None) -> str:
    mark = style.yellow("~")
    if difference.before is MISSING:
        mark = style.green("+")
    elif difference.after is MISSING:
        mark = style.red("-")
    first, _, rest = f"{mark} {name} = {_sides(difference, style, indent, at)}".partition("\n")
    if difference.forces_replacement:
        first = f"{first} {style.red('# forces replacement')}"
    return f"{first}\n{rest}" if rest else first


def _sides(difference: Difference, style: Style, indent: int, at: Field | None) -> str:
    _, before, after, sensitive, _ = difference
    if sensitive:
        return SENSITIVE
    if isinstance(before, list) and isinstance(after, list):
        return f"{_inline(before)} -> {_inline(after)}"
    if isinstance(before, str) and isinstance(after, str) and "\n" in f"{before}{after}":
        return "\n".join((block_mark(after), *_lines(before, after, style, indent + 2)))
    sides = ((before, style.red("-")), (after, style.green("+")))
    return " -> ".join(value_text(value, mark, indent + STEP, at) for value, mark in sides if value is not MISSING)


def _inline(keys: Sequence[str | int]) -> str:
    """The keys of a list's items, which only changed places."""
    return f"[{', '.join(quote(key) if isinstance(key, str) else str(key) for key in keys)}]"


def _lines(before: str, after: str, style: Style, indent: int) -> Iterator[str]:
    """What changed between two texts: all between their common first and last lines."""
    old, new = escape_lines(before), escape_lines(after)
    head = _common(old, new)
    tail = min(_common(old[::-1], new[::-1]), min(len(old), len(new)) - head)
    start, end = max(head - _CONTEXT, 0), len(new) - max(tail - _CONTEXT, 0)
    shown = [("  ", new[start:head]), (f"{style.red('-')} ", old[head : len(old) - tail])]
    shown += [(f"{style.green('+')} ", new[head : len(new) - tail]), ("  ", new[len(new) - tail : end])]
    yield from (f"{' ' * indent}{mark}| {line}" for mark, lines in shown for line in lines)
    yield from _hidden(start + len(new) - end, "line", style, indent)


def _hidden(count: int, noun: str, style: Style, indent: int) -> Iterator[str]:
    if count > 0:
        yield style.dim(f"{' ' * indent}  # ({count} unchanged {noun}{'s' * (count != 1)} hidden)")


def _common(one: list[str], other: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _name(part: str | int, here: Difference | _Node, container: Any, at: Field | None) -> str:
    """How a line calls `part` of `container`: a property by its name, an item by its key or its index."""
    if isinstance(part, str):
        return label(part)
    removed = isinstance(here, Difference) and here.after is MISSING
    item = here.before if isinstance(here, Difference) and removed else _at(container, part)
    key = item.get(at.key) if at and at.key and isinstance(item, dict) else None
    return f"[{quote(key)}]" if isinstance(key, str) else f"[{part}]"


def _at(container: Any, part: str | int) -> Any:
    if isinstance(container, dict):
        return container.get(part)
    found = isinstance(container, list) and isinstance(part, int) and part < len(container)
    return container[part] if found else None
