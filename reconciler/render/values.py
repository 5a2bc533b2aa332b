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
    if field is not None and field.sensitive:
        return SENSITIVE
    if isinstance(value, str):
        return _block(value, indent) if "\n" in value else quote(value)
    if isinstance(value, dict):
        return _mapping(value, mark, indent, field)
    if isinstance(value, list):
        return _sequence(value, mark, indent, field)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def properties(value: Mapping[str, Any], mark: str, indent: int, field: Field | None) -> list[str]:
    """Each property of `value` with what is below it."""
    starts = _starts(tuple(value), mark, indent)
    deeper = indent + STEP
    if field is None:
        return [
            start + (quote(item) if type(item) is str and "\n" not in item else value_text(item, mark, deeper, None))
            for start, item in zip(starts, value.values(), strict=True)
        ]
    below = [child(field, name) for name in value]
    items = zip(starts, value.values(), below, strict=True)
    return [start + value_text(item, mark, deeper, field_below) for start, item, field_below in items]


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


def _mapping(value: dict[str, Any], mark: str, indent: int, field: Field | None) -> str:
    if not value:
        return "{}"
    lines = "\n".join(properties(value, mark, indent, field))
    return f"{{\n{lines}\n{' ' * (indent - 2)}}}"


def _sequence(value: list[Any], mark: str, indent: int, field: Field | None) -> str:
    if not value:
        return "[]"
    start = f"{' ' * indent}{mark} "
    below, deeper = child(field, 0), indent + STEP
    lines = "\n".join([f"{start}{value_text(item, mark, deeper, below)}," for item in value])
    return f"[\n{lines}\n{' ' * (indent - 2)}]"


def _block(text: str, indent: int) -> str:
    """Several lines behind a bar, so that none of them can pass for a line of the plan."""
    start = f"\n{' ' * indent}| "
    return f"{block_mark(text)}{start}{start.join(escape_lines(text))}"


def block_mark(text: str) -> str:
    """YAML's sign of a block of lines, with or without a final line end."""
    return "|" if text.endswith("\n") else "|-"
