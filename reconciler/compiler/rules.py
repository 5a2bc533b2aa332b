"""Holds one document against the rules that its schema names beyond the shape of values: keys of another mapping or
for a list's items, targeting rules, versions and their ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.compiler.checked import Place, checked_places
from reconciler.compiler.finding import Finding, clip, dotted
from reconciler.compiler.suggest import did_you_mean
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import Covers, Kind


def check_rules(value: Any, kind: Kind) -> list[Finding]:
    """What is wrong with `value`, a valid document of the kind `kind`."""
    if not kind.fields.checked:
        return []
    return [finding for place in checked_places(kind.fields, value) for finding in _findings(place)]


def _findings(place: Place) -> Iterator[Finding]:
    check = place.check
    if check.one_of:
        yield from _one_of(check.one_of, place)
    if check.covers and isinstance(place.value, dict):
        yield from _covers(check.covers, place)
    if check.logic:
        yield from _logic(check.logic, place)
    if check.version:
        yield from _version(place.value, place.pointer)
    if check.requires and isinstance(place.value, dict):
        yield from _version(place.value.get(check.requires[1]), (*place.pointer, check.requires[1]))


def _one_of(name: str, place: Place) -> Iterator[Finding]:
    keys = _keys(name, place)
    if place.value not in keys:
        summary = f'"{dotted(place.pointer)}" must be a key of "{name}", not "{clip(str(place.value))}".'
        hint = did_you_mean(str(place.value), keys) or f"There are {clip(', '.join(keys))}."
        yield Finding("one-of", summary, place.pointer, hint)


def _covers(covers: Covers, place: Place) -> Iterator[Finding]:
    if any(place.value.get(name) != text for name, text in covers.when.items()):
        return
    pointer, given = (*place.pointer, covers.by), place.value.get(covers.by)
    given = given if isinstance(given, dict) else {}
    names = _names(covers.list, place)
    missing = [name for name in names if name not in given]
    if missing:
        summary = f'"{dotted(pointer)}" lacks the key{"s" * (len(missing) > 1)} {clip(", ".join(missing))}.'
        at = pointer if covers.by in place.value else place.pointer
        yield Finding("covers", summary, at, f'It must have one for each item of "{covers.list}"{_given(covers)}.')
    for key in sorted(given.keys() - set(names)):
        summary = f'"{dotted((*pointer, key))}" is there for no item of "{covers.list}".'
        yield Finding("covers", summary, (*pointer, key), did_you_mean(key, names), on_key=True)


def _given(covers: Covers) -> str:
    conditions = " and ".join(f'"{name}" is "{text}"' for name, text in covers.when.items())
    return f", since {conditions}" if conditions else ""


def _names(name: str, place: Place) -> list[str]:
    """What the items of the nearest list `name` are told apart by."""
    items, field = place.nearest(name)
    keys = [item.get(field.key) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [key for key in keys if isinstance(key, str)]


def _logic(name: str, place: Place) -> Iterator[Finding]:
    from reconciler.compiler.logic import check_rule

    for finding in check_rule(place.value, _keys(name, place)):
        yield finding._replace(pointer=(*place.pointer, *finding.pointer))


def _keys(name: str, place: Place) -> list[str]:
    value, _ = place.nearest(name)
    return list(value) if isinstance(value, dict) else []


def _version(value: Any, pointer: Pointer) -> Iterator[Finding]:
    from reconciler.compiler.versions import problem

    wrong = problem(value) if isinstance(value, str) else ""
    if wrong:
        yield Finding("version-form", f'"{dotted(pointer)}" {wrong}.', pointer)
