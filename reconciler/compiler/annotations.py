"""Reads the `x-` keywords of a schema into a tree of fields, which is all that planning has to know of a schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.compiler.schema import Schemas, in_place, resolve
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import ANYTHING, NO_FIELDS, Apart, Check, Covers, Field, Unique, branch

CHECKS = ("x-unique", "x-one-of", "x-covers", "x-logic", "x-version", "x-requires")
KEYWORDS = ("x-references", "x-immutable", "x-sensitive", "x-key", "x-node", *CHECKS)


class FieldReader:
    """Reads the fields of schema files. What a `$ref` names is read once, however often it is named.

    A `$ref` that leads back to itself is not followed a second time; `recursive` gathers those that carry
    annotations, which a schema must not have.
    """

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._read: dict[tuple[str, str], Field] = {}
        self._open: set[tuple[str, str]] = set()
        self._looped: set[tuple[str, str]] = set()
        self.recursive: set[tuple[str, str]] = set()

    def read(self, file: str) -> Field:
        return self._field(self._schemas[file], file)

    def _field(self, node: Any, file: str) -> Field:
        if not isinstance(node, dict):
            return NO_FIELDS
        field = _merge(_own(node), self._children(node, file))
        for other in in_place(node):
            field = _merge(field, self._field(other, file))
        reference = node.get("$ref")
        return _merge(field, self._named(reference, file)) if isinstance(reference, str) else field

    def _children(self, node: Mapping[str, Any], file: str) -> Field:
        items = self._merged((node.get("items"), *_values(node, "prefixItems")), file)
        additional = self._merged((node.get("additionalProperties"), *_values(node, "patternProperties")), file)
        named = node.get("properties")
        fields = {name: self._field(child, file) for name, child in named.items()} if isinstance(named, dict) else {}
        return branch(fields, items, additional)

    def _merged(self, nodes: Iterable[Any], file: str) -> Field:
        field = NO_FIELDS
        for node in nodes:
            field = _merge(field, self._field(node, file))
        return field

    def _named(self, reference: str, file: str) -> Field:
        target = resolve(reference, file, self._schemas)
        if target is None:
            return NO_FIELDS
        key = (target.file, reference.partition("#")[2])
        if key in self._open:
            self._looped.add(key)
            return NO_FIELDS
        if key not in self._read:
            self._open.add(key)
            self._read[key] = self._field(target.node, target.file)
            self._open.discard(key)
            if key in self._looped and self._read[key] is not NO_FIELDS:
                self.recursive.add(key)
        return self._read[key]


def _own(node: Mapping[str, Any]) -> Field:
    if not any(keyword in node for keyword in KEYWORDS):
        return NO_FIELDS
    references = node.get("x-references", ())
    check = _check(node) if any(keyword in node for keyword in CHECKS) else None
    return Field(
        properties={},
        references=tuple(str(kind) for kind in references) if isinstance(references, list) else (),
        immutable=node.get("x-immutable") is True,
        sensitive=node.get("x-sensitive") is True,
        key=_text(node, "x-key"),
        check=check,
        checked=check is not None,
    )


def _check(node: Mapping[str, Any]) -> Check:
    requires = node.get("x-requires")
    return Check(
        unique=_unique(node["x-unique"]) if isinstance(node.get("x-unique"), dict) else None,
        one_of=_text(node, "x-one-of"),
        covers=_covers(node["x-covers"]) if isinstance(node.get("x-covers"), dict) else None,
        logic=_text(node, "x-logic"),
        version=node.get("x-version") is True,
        requires=(_text(requires, "name"), _text(requires, "range")) if isinstance(requires, dict) else None,
    )


def _covers(value: Mapping[str, Any]) -> Covers:
    when = value.get("when")
    return Covers(_text(value, "list"), _text(value, "by"), when if isinstance(when, dict) else {})


def _unique(value: Mapping[str, Any]) -> Unique:
    by = value.get("by")
    apart = [_apart(name, one) for name, one in by.items() if isinstance(one, dict)] if isinstance(by, dict) else []
    return Unique(_text(value, "scope"), tuple(apart))


def _apart(name: str, value: Mapping[str, Any]) -> Apart:
    values = value.get("values")
    renamed = {key: str(text) for key, text in values.items()} if isinstance(values, dict) else {}
    return Apart(name, _text(value, "field"), renamed, _text(value, "else") or ANYTHING)


def _text(node: Mapping[str, Any], keyword: str) -> str:
    value = node.get(keyword)
    return value if isinstance(value, str) else ""


def _values(node: Mapping[str, Any], keyword: str) -> Iterable[Any]:
    value = node.get(keyword)
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _merge(one: Field, other: Field) -> Field:
    """The field that says what both say."""
    if one is NO_FIELDS or other is NO_FIELDS:
        return one if other is NO_FIELDS else other
    return Field(
        properties={
            name: _merge(child(one, name) or NO_FIELDS, child(other, name) or NO_FIELDS)
            for name in (*one.properties, *other.properties)
        },
        items=_merge_optional(one.items, other.items),
        additional=_merge_optional(one.additional, other.additional),
        references=tuple(dict.fromkeys(one.references + other.references)),
        immutable=one.immutable or other.immutable,
        sensitive=one.sensitive or other.sensitive,
        key=one.key or other.key,
        check=_merge_checks(one.check, other.check),
        checked=one.checked or other.checked,
    )


def _merge_optional(one: Field | None, other: Field | None) -> Field | None:
    return _merge(one, other) if one and other else one or other


def _merge_checks(one: Check | None, other: Check | None) -> Check | None:
    if one is None or other is None:
        return one or other
    return Check._make(mine or theirs for mine, theirs in zip(one, other, strict=True))


def child(field: Field, token: str | int) -> Field | None:
    """What `field` says about its child at the key or index `token`."""
    if isinstance(token, int):
        return field.items
    return field.properties.get(token, field.additional)


def along(field: Field, pointer: Pointer) -> Iterator[Field]:
    """The fields on the way to `pointer`, as far as there are any; the first is `field` itself."""
    current: Field | None = field
    yield field
    for token in pointer:
        current = child(current, token) if current else None
        if current is None:
            return
        yield current


def field_at(field: Field, pointer: Pointer) -> Field:
    """What `field` says about the place `pointer` below it."""
    current: Field | None = field
    for token in pointer:
        if current is None:
            return NO_FIELDS
        current = child(current, token)
    return current or NO_FIELDS


def children(field: Field, value: Any) -> Iterator[tuple[str | int, Any, Field]]:
    """The children of `value` that `field` says something about."""
    if isinstance(value, dict):
        if field.additional is None:
            yield from ((name, value[name], below) for name, below in field.properties.items() if name in value)
        else:
            yield from ((name, item, field.properties.get(name, field.additional)) for name, item in value.items())
    elif isinstance(value, list) and field.items is not None:
        yield from ((index, item, field.items) for index, item in enumerate(value))
