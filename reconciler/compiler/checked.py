"""The places of a document that its schema wants checked beyond their shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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


def checked_places(field: Field, value: Any) -> list[Place]:
    """The places to check in `value`, of which the schema says `field`. Does not enter what holds none."""
    places: list[Place] = []
    if field.checked:
        _gather(field, value, (), (), places)
    return places


def _gather(field: Field, value: Any, pointer: Pointer, around: tuple[Level, ...], places: list[Place]) -> None:
    if field.check:
        places.append(Place(field.check, value, field, pointer, around))
    if isinstance(value, dict):
        inner = (*around, Level(value, field))
        for name, below in _checked(field, value):
            _gather(below, value[name], (*pointer, name), inner, places)
    elif field.items and field.items.checked and isinstance(value, list):
        for index, item in enumerate(value):
            _gather(field.items, item, (*pointer, index), around, places)


def _checked(field: Field, value: dict[str, Any]) -> Iterator[tuple[str, Field]]:
    yield from ((name, below) for name, below in field.properties.items() if below.checked and name in value)
    if field.additional and field.additional.checked:
        yield from ((name, field.additional) for name in value if name not in field.properties)
