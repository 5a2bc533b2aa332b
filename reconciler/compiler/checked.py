"""The places of a document that its schema wants checked beyond their shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.compiler.annotations import children
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import NO_FIELDS, Check, Field


class Level(NamedTuple):
    """A mapping on the way to a place, and what the schema says about it."""

    value: dict[str, Any]
    field: Field


class Place(NamedTuple):
    """A value to check, where it stands, and the mappings around it from the outside in."""

    check: Check
    value: Any
    field: Field
    pointer: Pointer
    around: tuple[Level, ...]

    def nearest(self, name: str) -> tuple[Any, Field]:
        """The value of the property `name` in the innermost mapping around that has it, None where none has, and what
        the schema says about it."""
        for level in reversed(self.around):
            if name in level.value:
                return level.value[name], level.field.properties.get(name, NO_FIELDS)
        return None, NO_FIELDS


def checked_places(field: Field, value: Any, pointer: Pointer = (), around: tuple[Level, ...] = ()) -> Iterator[Place]:
    """The places to check in `value`, of which the schema says `field`. Does not enter what holds none."""
    if field.check:
        yield Place(field.check, value, field, pointer, around)
    inner = (*around, Level(value, field)) if isinstance(value, dict) else around
    for token, item, below in children(field, value):
        if below.checked:
            yield from checked_places(below, item, (*pointer, token), inner)
