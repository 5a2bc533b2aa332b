"""Holds one document against the rules that its schema names beyond the shape of values: keys of another mapping,
targeting rules, versions and their ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.compiler.checked import Place, checked_places
from reconciler.compiler.finding import Finding, clip, dotted
from reconciler.compiler.suggest import did_you_mean
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import Kind


def check_rules(value: Any, kind: Kind) -> list[Finding]:
    """What is wrong with `value`, a valid document of the kind `kind`."""
    if not kind.fields.checked:
        return []
    return [finding for place in checked_places(kind.fields, value) for finding in _findings(place)]


def _findings(place: Place) -> Iterator[Finding]:
    check = place.check
    if check.one_of:
        yield from _one_of(check.one_of, place)
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
