"""Finds every reason why a schema refuses a value, with jsonschema made safe.

Where the library is slow, reads the network or runs Python's backtracking `re` on a stranger's text, its keywords are
replaced: single values are judged by jsonschema-rs, so that both libraries agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import attrs
import jsonschema_rs
import orjson
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from jsonschema.validators import extend  # type: ignore[import-untyped]
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from reconciler.compiler.judge import Refusal, url

_Errors = Iterator[ValidationError]


def refusals(schemas: Mapping[str, Mapping[str, Any]], root: str, value: Any) -> Iterator[Refusal]:
    """Why the schema with the URL `root` refuses `value`; `schemas` are all that it refers to, by file name."""
    resources = [(url(name), DRAFT202012.create_resource(schema)) for name, schema in schemas.items()]
    registry: Registry[Any] = REGISTRY.with_resources(resources)
    for error in _EXPLAINER({"$ref": root}, registry=registry).iter_errors(value):
        yield _refusal(error)


def _refusal(error: ValidationError) -> Refusal:
    branches: dict[Any, list[Refusal]] = {}
    for cause in error.context:
        branches.setdefault(cause.relative_schema_path[0], []).append(_refusal(cause))
    return Refusal(
        keyword=error.validator or "false",
        expected=error.validator_value,
        pointer=tuple(error.absolute_path),
        value=error.instance,
        rule=error.schema.get("description", "") if isinstance(error.schema, dict) else "",
        branches=tuple(tuple(branch) for branch in branches.values()),
    )


@cache
def _decider(keyword: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        orjson.loads(keyword), pattern_options=jsonschema_rs.RegexOptions(), validate_formats=True, offline=True
    )


def _agrees(keyword: str, expected: Any, value: Any) -> bool:
    return _decider(orjson.dumps({keyword: expected})).is_valid(value)


def _single(keyword: str) -> Callable[..., _Errors]:
    def check(_validator: Any, expected: Any, instance: Any, _schema: Any) -> _Errors:
        if not _agrees(keyword, expected, instance):
            yield ValidationError("")

    return check


def _properties(validator: Any, properties: Any, instance: Any, _schema: Any) -> _Errors:
    if isinstance(instance, dict):
        for name, subschema in properties.items():
            if name in instance:
                yield from _below(validator, instance[name], subschema, name)


def _below(validator: Any, value: Any, subschema: Any, name: str) -> _Errors:
    """Judges a property's value; the property itself where its schema is false."""
    if subschema is False:
        yield ValidationError("", validator="false", path=[name])
    else:
        yield from validator.descend(value, subschema, path=name)


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> _Errors:
    if isinstance(instance, dict):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _agrees("pattern", pattern, name):
                    yield from _below(validator, value, subschema, name)


def _additional_properties(validator: Any, subschema: Any, instance: Any, schema: Any) -> _Errors:
    if not isinstance(instance, dict):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in named or any(_agrees("pattern", pattern, name) for pattern in patterns):
            continue
        if subschema is False:
            yield ValidationError("", path=[name])
        else:
            yield from validator.descend(value, subschema, path=name)


def _property_names(validator: Any, subschema: Any, instance: Any, _schema: Any) -> _Errors:
    if isinstance(instance, dict):
        names = validator.evolve(schema=subschema)
        yield from (ValidationError("", path=[name]) for name in instance if not names.is_valid(name))


def _required(_validator: Any, required: Any, instance: Any, _schema: Any) -> _Errors:
    if isinstance(instance, dict):
        yield from (ValidationError("", validator_value=name) for name in required if name not in instance)


def _dependent_required(_validator: Any, dependent: Any, instance: Any, _schema: Any) -> _Errors:
    if isinstance(instance, dict):
        for trigger, names in dependent.items():
            if trigger in instance:
                yield from (ValidationError("", validator_value=(trigger, n)) for n in names if n not in instance)


def _left_to_the_decider(_validator: Any, _expected: Any, _instance: Any, _schema: Any) -> _Errors:
    yield from ()


_EXPLAINER = extend(
    Draft202012Validator,
    {
        **{name: _single(name) for name in ("pattern", "format", "multipleOf", "uniqueItems", "enum", "const")},
        "properties": _properties,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "propertyNames": _property_names,
        "required": _required,
        "dependentRequired": _dependent_required,
        "unevaluatedItems": _left_to_the_decider,
        "unevaluatedProperties": _left_to_the_decider,
    },
)
# Its own evolve would fall back to the library's keywords in every schema that names its dialect.
_EXPLAINER.evolve = attrs.evolve
