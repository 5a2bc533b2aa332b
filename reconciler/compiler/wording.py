"""Says in words what a schema refused. No text here holds a value of more than sixty characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from reconciler.compiler.finding import Finding, clip, dotted
from reconciler.compiler.judge import Refusal
from reconciler.compiler.schema import Schemas, describe, property_names
from reconciler.compiler.suggest import did_you_mean

_LIMIT = 60
_OPTIONS = 12
_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_UNEXPECTED = ("additionalProperties", "unevaluatedProperties", "false")
_MISSING = ("required", "dependentRequired")
UNEXPECTED_CODES = ("schema-additional-properties", "schema-unevaluated-properties", "schema-false")


def flatten(refusals: Iterable[Refusal]) -> Iterator[Refusal]:
    """The refusals with each `anyOf` and `oneOf` replaced by those of the alternative that was most likely meant."""
    for refusal in refusals:
        meant = _meant(refusal)
        if meant:
            yield from flatten(meant)
        else:
            yield refusal


def _meant(refusal: Refusal) -> tuple[Refusal, ...]:
    """The branch that came nearest: the only one that does not refuse the very type or name of the value."""
    ranked = sorted(refusal.branches, key=lambda branch: _distance(refusal, branch))
    if not ranked or _distance(refusal, ranked[0])[0]:
        return ()
    tie = len(ranked) > 1 and _distance(refusal, ranked[0]) == _distance(refusal, ranked[1])
    return () if tie else ranked[0]


def _distance(refusal: Refusal, branch: tuple[Refusal, ...]) -> tuple[bool, int, int]:
    here = len(refusal.pointer)
    wrong_type = any(cause.keyword == "type" and len(cause.pointer) == here for cause in branch)
    wrong_choice = sum(cause.keyword in ("const", "enum") for cause in branch)
    return wrong_type, wrong_choice, len(branch)


def word(refusal: Refusal, file: str, schemas: Schemas) -> Finding:
    """What the schema `file` refused, for the user."""
    missing = refusal.keyword in _MISSING
    unexpected = refusal.keyword in _UNEXPECTED
    subject = (*refusal.pointer, _name(refusal)) if missing else refusal.pointer
    return Finding(
        code=f"schema-{_kebab(refusal.keyword)}",
        summary=_summary(refusal),
        pointer=refusal.pointer,
        hint=_hint(refusal, file, schemas),
        detail="" if unexpected else _detail(describe(file, schemas, subject), "" if missing else refusal.rule),
        on_key=unexpected or missing or refusal.keyword == "propertyNames",
    )


def _detail(field: str, rule: str) -> str:
    return f"{field} {rule}".strip() if rule != field else field


def _kebab(keyword: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: f"-{capital.group().lower()}", keyword)


def _name(refusal: Refusal) -> str:
    expected = refusal.expected
    return str(expected[1] if isinstance(expected, tuple) else expected)


def _summary(refusal: Refusal) -> str:
    say = _SENTENCES.get(refusal.keyword)
    subject = f'"{dotted(refusal.pointer)}"' if refusal.pointer else "The document"
    if say is None:
        return f"{subject} is not what its schema allows ({refusal.keyword})."
    return say(subject, refusal)


def _type(subject: str, refusal: Refusal) -> str:
    return f"{subject} must be {_any_of(_wanted_types(refusal))}, not {shown(refusal.value)}."


def _enum(subject: str, refusal: Refusal) -> str:
    return f"{subject} must be one of {_options(refusal.expected)}, not {shown(refusal.value)}."


def _const(subject: str, refusal: Refusal) -> str:
    return f"{subject} must be {shown(refusal.expected)}, not {shown(refusal.value)}."


def _required(subject: str, refusal: Refusal) -> str:
    return f'{subject} lacks the key "{clip(_name(refusal))}".'


def _dependent(subject: str, refusal: Refusal) -> str:
    return f'{subject} has the key "{clip(str(refusal.expected[0]))}" and so needs "{clip(_name(refusal))}" too.'


def _unexpected(_subject: str, refusal: Refusal) -> str:
    *parent, key = refusal.pointer or ("",)
    where = f'in "{dotted(tuple(parent))}"' if parent else "at the top of the document"
    return f'"{clip(str(key))}" is not a known key {where}.'


def _bad_name(_subject: str, refusal: Refusal) -> str:
    *parent, key = refusal.pointer
    where = f'in "{dotted(tuple(parent))}"' if parent else "at the top of the document"
    return f'"{clip(str(key))}" cannot be a key {where}.'


def _pattern(subject: str, refusal: Refusal) -> str:
    return f"{subject} must match the pattern {clip(str(refusal.expected))}, unlike {shown(refusal.value)}."


def _compared(words: str) -> Callable[[str, Refusal], str]:
    return lambda subject, refusal: f"{subject} must be {words} {shown(refusal.expected)}, not {shown(refusal.value)}."


def _counted(words: str, unit: str, units: str) -> Callable[[str, Refusal], str]:
    def say(subject: str, refusal: Refusal) -> str:
        count = len(refusal.value)
        noun = unit if refusal.expected == 1 else units
        return f"{subject} must have {words} {shown(refusal.expected)} {noun}, not {count}."

    return say


def _alternatives(subject: str, refusal: Refusal) -> str:
    if not refusal.branches:
        return f"{subject} fits more than one of the alternatives that its schema gives."
    types = [name for branch in refusal.branches for cause in branch for name in _root_types(refusal, cause)]
    if types:
        return f"{subject} must be {_any_of(types)}, not {shown(refusal.value)}."
    return f"{subject} fits none of the alternatives that its schema gives."


def _root_types(refusal: Refusal, cause: Refusal) -> list[str]:
    return _wanted_types(cause) if cause.keyword == "type" and cause.pointer == refusal.pointer else []


_SENTENCES: dict[str, Callable[[str, Refusal], str]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "required": _required,
    "dependentRequired": _dependent,
    **dict.fromkeys(_UNEXPECTED, _unexpected),
    "propertyNames": _bad_name,
    "pattern": _pattern,
    "format": lambda subject, refusal: f"{subject} must be a valid {refusal.expected}, not {shown(refusal.value)}.",
    "minimum": _compared("at least"),
    "maximum": _compared("at most"),
    "exclusiveMinimum": _compared("more than"),
    "exclusiveMaximum": _compared("less than"),
    "multipleOf": _compared("a multiple of"),
    "minLength": _counted("at least", "character", "characters"),
    "maxLength": _counted("at most", "character", "characters"),
    "minItems": _counted("at least", "item", "items"),
    "maxItems": _counted("at most", "item", "items"),
    "minProperties": _counted("at least", "key", "keys"),
    "maxProperties": _counted("at most", "key", "keys"),
    "uniqueItems": lambda subject, _: f"{subject} must not hold the same item twice.",
    "contains": lambda subject, _: f"{subject} lacks an item that its schema asks for.",
    "not": lambda subject, refusal: f"{subject} must not be {shown(refusal.value)}.",
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "json": lambda subject, _: f"{subject} holds something that JSON cannot say.",
}


def _hint(refusal: Refusal, file: str, schemas: Schemas) -> str:
    value, expected = refusal.value, refusal.expected
    if refusal.keyword in _UNEXPECTED and refusal.pointer:
        known = property_names(file, schemas, refusal.pointer[:-1])
        taken = value if isinstance(value, dict) else {}
        return did_you_mean(str(refusal.pointer[-1]), [name for name in known if name not in taken])
    if refusal.keyword == "enum" and isinstance(value, str):
        return did_you_mean(value, [option for option in expected if isinstance(option, str)])
    if refusal.keyword == "const" and isinstance(value, str) and isinstance(expected, str):
        return did_you_mean(value, [expected])
    return _type_hint(refusal) if refusal.keyword == "type" else ""


def _type_hint(refusal: Refusal) -> str:
    wanted, value = _wanted_types(refusal), refusal.value
    if "string" in wanted and isinstance(value, bool | int | float):
        return "Put it in quotes, as it stands."
    if "boolean" in wanted and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "y", "n"):
        return "YAML 1.2 knows only true and false; yes, no, on and off are strings."
    return ""


def _wanted_types(refusal: Refusal) -> list[str]:
    return [refusal.expected] if isinstance(refusal.expected, str) else list(refusal.expected)


def _any_of(types: Iterable[str]) -> str:
    *most, last = dict.fromkeys(_TYPES.get(name, name) for name in types)
    return f"{', '.join(most)} or {last}" if most else last


def _options(options: Any) -> str:
    listed = [_json(option) for option in options[:_OPTIONS]]
    more = [f"{len(options) - _OPTIONS} more"] if len(options) > _OPTIONS else []
    return ", ".join(clip(text) for text in listed + more)


def shown(value: Any) -> str:
    """A value in a sentence. What is long, a list or a mapping is told by its kind only."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = _json(value)
    if isinstance(value, str):
        return f"the string {text}" if len(text) <= _LIMIT else f"a string of {len(value)} characters"
    return text if len(text) <= _LIMIT else "so long a number"


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer of more than 64 bits, or a lone surrogate
        return ascii(value)
