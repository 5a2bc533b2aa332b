"""The YAML 1.2 core schema: what a scalar means, as one of JSON's types."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

MAX_INTEGER = 2**63 - 1
"""Integers beyond it, in either direction, are refused: databases and most JSON readers do not keep them."""

TAG_PREFIX = "tag:yaml.org,2002:"

_WORDS: dict[str, str | bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMERIC = frozenset("+-.0123456789")
"""The first characters of numbers."""

_INTEGERS = (
    (re.compile(r"([-+]?)([0-9]+)"), 10, 19),
    (re.compile(r"()0o([0-7]+)"), 8, 21),
    (re.compile(r"()0x([0-9a-fA-F]+)"), 16, 16),
)
"""A form of integer (sign and digits), its base, and how many significant digits may fit into 64 bits."""

_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}


class ScalarError(ValueError):
    """A scalar stands for something that has no value here; the text is a sentence that says what."""


def resolve(text: str) -> Scalar:
    """The value of the plain scalar `text`. Raises ScalarError for a number that JSON, or 64 bits, cannot hold."""
    if text[:1] not in _NUMERIC:
        return _WORDS.get(text, text)
    number = _number(text)
    return text if number is None else number


def convert(tag: str, text: str) -> Scalar:
    """The value of the scalar `text` under the core schema's tag `tag` ("int"). Raises ScalarError where it has none,
    and KeyError for a tag that is none of the core schema's for scalars."""
    wanted = _TYPES[tag]
    if wanted is str:
        return text
    value = resolve(text)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ScalarError(f"This text is not a valid !!{tag}.")
    return value


def _number(text: str) -> int | float | None:
    for pattern, base, most_digits in _INTEGERS:
        if match := pattern.fullmatch(text):
            return _integer(match[1], match[2].lstrip("0") or "0", base, most_digits)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NOT_FINITE.fullmatch(text):
        raise ScalarError("Infinity and not-a-number are no values in JSON.")
    return None


def _integer(sign: str, digits: str, base: int, most_digits: int) -> int:
    """A number of too many digits is refused before it is computed, which may take long."""
    value = int(sign + digits, base) if len(digits) <= most_digits else MAX_INTEGER + 1
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ScalarError("This integer does not fit into 64 bits.")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ScalarError("This number is larger than a float can be.")
    return value
