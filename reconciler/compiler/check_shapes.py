"""Judges the `x-` keywords by which a schema has documents checked: that they have their shape, and name properties
that the schema knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.compiler.finding import Finding, clip
from reconciler.compiler.suggest import did_you_mean
from reconciler.model.diagnostics import Pointer

_APART = ("field", "values", "else")


def check_shape(keyword: str, node: Mapping[str, Any], at: Pointer) -> Iterator[Finding]:
    """What is wrong with `keyword`, one of annotations.CHECKS, which stands in `node` at `at`."""
    value = node[keyword]
    if keyword == "x-version":
        if not isinstance(value, bool):
            yield _shape(f'"{keyword}" must be true or false.', at)
    elif keyword in ("x-one-of", "x-logic"):
        if not _is_text(value):
            yield _shape(f'"{keyword}" must be the name of a property.', at)
    elif keyword == "x-requires":
        yield from _requires(value, node, at)
    elif keyword == "x-covers":
        yield from _covers(value, node, at)
    else:
        yield from _unique(value, at)


def _shape(summary: str, at: Pointer) -> Finding:
    return Finding("annotation-shape", summary, at)


def _requires(value: Any, node: Mapping[str, Any], at: Pointer) -> Iterator[Finding]:
    if not isinstance(value, dict) or set(value) != {"name", "range"} or not all(map(_is_text, value.values())):
        yield _shape('"x-requires" must be a mapping with the names of two properties, name and range.', at)
        return
    for key, name in value.items():
        yield from _known(name, node, (*at, key))


def _covers(value: Any, node: Mapping[str, Any], at: Pointer) -> Iterator[Finding]:
    when = value.get("when", {}) if isinstance(value, dict) else None
    if not isinstance(when, dict) or not {"list", "by"} <= set(value) <= {"list", "by", "when"}:
        yield _shape('"x-covers" must be a mapping with list and by, and with "when" where it is not always so.', at)
    elif not all(map(_is_text, (value["list"], value["by"], *when.values()))):
        yield _shape('"x-covers" must name properties and their texts.', at)
    else:
        yield from _known(value["by"], node, (*at, "by"))
        for name in when:
            yield from _known(name, node, (*at, "when", name))


def _known(name: str, node: Mapping[str, Any], at: Pointer) -> Iterator[Finding]:
    known = node.get("properties")
    if isinstance(known, dict) and name not in known:
        hint = did_you_mean(name, known)
        yield Finding("annotation-property", f'There is no property "{clip(name)}" here.', at, hint)


def _unique(value: Any, at: Pointer) -> Iterator[Finding]:
    if not isinstance(value, dict) or not _is_text(value.get("scope")) or not set(value) <= {"scope", "by"}:
        yield _shape('"x-unique" must be a mapping with a scope, and with "by" where something keeps values apart.', at)
        return
    by = value.get("by", {})
    if not isinstance(by, dict):
        yield _shape('"by" must be a mapping.', (*at, "by"))
        return
    for name, apart in by.items():
        if not _is_apart(apart):
            yield _shape(f"This must be a mapping with some of {', '.join(_APART)}, all texts.", (*at, "by", name))


def _is_apart(value: Any) -> bool:
    if not isinstance(value, dict) or not set(value) <= set(_APART):
        return False
    values = value.get("values", {})
    renamed = values.values() if isinstance(values, dict) else (None,)
    return all(map(_is_text, (*renamed, value.get("field", "-"), value.get("else", "-"))))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
