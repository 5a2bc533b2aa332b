"""Lays out JSON values as Terraform's plans do: one property a line, names aligned, each line with its mark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from reconciler.model.kind import NO_FIELDS, Field
from reconciler.render.escape import escape_lines, quote

SENSITIVE = "(sensitive value)"
STEP = 4
"""By how many columns a level is deeper than the one around it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


@lru_cache(maxsize=1024)
def label(name: str) -> str:
    """A property's name, quoted where it is more than a word."""
    return name if _NAME.fullmatch(name) else quote(name)


def value_text(value: Any, mark: str, indent: int, field: Field | None) -> str:
    """`value` as it follows a `name = ` at column `indent`; further lines are indented and carry `mark`.

    `field` says what is sensitive in it.
    """
    lines: list[str] = []
    _add(lines, "", value, "", mark, indent, field)
    return "\n".join(lines)


def properties(value: Mapping[str, Any], mark: str, indent: int, field: Field | None) -> list[str]:
    """The lines of the properties of `value`, with what is below each."""
    lines: list[str] = []
    _add_properties(lines, value, mark, indent, field)
    return lines


def _add(lines: list[str], start: str, value: Any, end: str, mark: str, indent: int, field: Field | None) -> None:
    """Adds `value` behind `start`, and `end` behind its last line."""
    if field is not None and field.sensitive:
        lines.append(f"{start}{SENSITIVE}{end}")
    elif isinstance(value, dict) and value:
        lines.append(f"{start}{{")
        _add_properties(lines, value, mark, indent, field)
        lines.append(f"{' ' * (indent - 2)}}}{end}")
    elif isinstance(value, list) and value:
        lines.append(f"{start}[")
        _add_items(lines, value, mark, indent, field)
        lines.append(f"{' ' * (indent - 2)}]{end}")
    else:
        lines.append(f"{start}{_scalar(value, indent)}{end}")


def _add_properties(lines: list[str], value: Mapping[str, Any], mark: str, indent: int, field: Field | None) -> None:
    """Runs for every property of a plan, so most of them are done with here."""
    deeper = indent + STEP
    for start, (name, item) in zip(_starts(tuple(value), mark, indent), value.items(), strict=True):
        below = child(field, name) if field is not None else None
        if below is None and type(item) is str:
            lines.append(start + (quote(item) if "\n" not in item else _block(item, deeper)))
        else:
            _add(lines, start, item, "", mark, deeper, below)


def _add_items(lines: list[str], value: list[Any], mark: str, indent: int, field: Field | None) -> None:
    start = f"{' ' * indent}{mark} "
    below, deeper = child(field, 0), indent + STEP
    for item in value:
        _add(lines, start, item, ",", mark, deeper, below)


def _scalar(value: Any, indent: int) -> str:
    """A value that is no filled mapping or list."""
    if isinstance(value, str):
        return _block(value, indent) if "\n" in value else quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "[]" if isinstance(value, list) else "{}"
    return "null" if value is None else str(value)


@lru_cache(maxsize=1024)
def _starts(names: tuple[str, ...], mark: str, indent: int) -> list[str]:
    """The lines of the properties `names` up to their values."""
    labels = list(map(label, names))
    longest = max(map(len, labels), default=0)
    return [f"{' ' * indent}{mark} {name:<{longest}} = " for name in labels]


def child(field: Field | None, part: str | int) -> Field | None:
    """The field of the property or item `part` of a value with the field `field`."""
    if field is None:
        return None
    if isinstance(part, int):
        return field.items
    return field.properties.get(part) or field.additional


def annotated(field: Field) -> Field | None:
    """`field`, or None where it says nothing at all: the cheap case of the functions here."""
    return None if field == NO_FIELDS else field


def _block(text: str, indent: int) -> str:
    """Several lines behind a bar, so that none of them can pass for a line of the plan."""
    start = f"\n{' ' * indent}| "
    return f"{block_mark(text)}{start}{start.join(escape_lines(text))}"


def block_mark(text: str) -> str:
    """YAML's sign of a block of lines, with or without a final line end."""
    return "|" if text.endswith("\n") else "|-"
