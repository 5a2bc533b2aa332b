"""Judges a flag's targeting rule: JsonLogic with flagd's own operators, over which clients stumble only when they
evaluate it.

A mapping with one key is an operator and its arguments; any other value stands for itself. What a rule answers with is
the name of a variant, or null for the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from reconciler.compiler.finding import Finding, clip
from reconciler.compiler.suggest import did_you_mean
from reconciler.model.diagnostics import Pointer

MANY = 1_000_000
"""More arguments than any rule has."""

OPERATORS: dict[str, tuple[int, int]] = {
    "var": (0, 2),
    "missing": (0, MANY),
    "missing_some": (2, 2),
    "if": (2, MANY),
    "?:": (3, 3),
    "and": (1, MANY),
    "or": (1, MANY),
    "!": (1, 1),
    "!!": (1, 1),
    "==": (2, 2),
    "===": (2, 2),
    "!=": (2, 2),
    "!==": (2, 2),
    "<": (2, 3),
    "<=": (2, 3),
    ">": (2, 3),
    ">=": (2, 3),
    "+": (1, MANY),
    "-": (1, 2),
    "*": (1, MANY),
    "/": (2, 2),
    "%": (2, 2),
    "min": (1, MANY),
    "max": (1, MANY),
    "in": (2, 2),
    "cat": (1, MANY),
    "substr": (2, 3),
    "merge": (1, MANY),
    "map": (2, 2),
    "filter": (2, 2),
    "all": (2, 2),
    "none": (2, 2),
    "some": (2, 2),
    "reduce": (3, 3),
    "fractional": (1, MANY),
    "sem_ver": (3, 3),
    "starts_with": (2, 2),
    "ends_with": (2, 2),
}
"""How few and how many arguments each operator takes. `log` is none of them: it writes into its host's output."""

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=", "^", "~")
"""What `sem_ver` can ask of two versions."""

MOST_WEIGHT = 2**31 - 1
_SHARED = ("$ref", "$evaluators")
_VERSION = re.compile(r"[vV]?\d+(\.\d+){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)


def check_rule(rule: Any, variants: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the targeting `rule` of a flag that has these `variants`, at pointers inside of the rule."""
    if not rule:
        return
    if isinstance(rule, dict) and len(rule) != 1:
        summary = "A rule is one operator with its arguments, like {if: [...]}."
        yield Finding("logic-operator", summary)
    yield from _operators(rule, ())
    yield from _answers(rule, (), variants)


def _operators(rule: Any, at: Pointer) -> Iterator[Finding]:
    """What is wrong with the operators in `rule` and their arguments, whatever they are for."""
    if isinstance(rule, list):
        for index, item in enumerate(rule):
            yield from _operators(item, (*at, index))
    elif isinstance(rule, dict) and len(rule) == 1:
        ((operator, value),) = rule.items()
        yield from _operator(operator, value, (*at, operator))
        yield from _operators(value, (*at, operator))


def _operator(operator: str, value: Any, at: Pointer) -> Iterator[Finding]:
    arguments = _arguments(value)
    if operator in _SHARED:
        summary = f'"{operator}" leads nowhere: a feature has no rules to share.'
        yield Finding("logic-reference", summary, at, "Write the rule out.", on_key=True)
    elif operator not in OPERATORS:
        hint = did_you_mean(operator, OPERATORS) or "An operator is one of JsonLogic's, or of flagd's."
        yield Finding("logic-operator", f'Clients know no operator "{clip(operator)}".', at, hint, on_key=True)
    elif not OPERATORS[operator][0] <= len(arguments) <= OPERATORS[operator][1]:
        summary = f'"{operator}" takes {_number(*OPERATORS[operator])}, not {len(arguments)}.'
        yield Finding("logic-arguments", summary, at, on_key=True)
    elif operator in _CLOSER:
        yield from _CLOSER[operator](arguments, at)


def _arguments(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _number(least: int, most: int) -> str:
    if least == most:
        return f"{least} argument{'' if least == 1 else 's'}"
    return f"{least} or more arguments" if most == MANY else f"{least} to {most} arguments"


def _fractional(arguments: Sequence[Any], at: Pointer) -> Iterator[Finding]:
    first = 0 if isinstance(arguments[0], list) else 1
    buckets = arguments[first:]
    if not buckets:
        yield Finding("logic-fractional", '"fractional" lacks its shares, like [on, 10].', at, on_key=True)
    for index, bucket in enumerate(buckets, first):
        yield from _bucket(bucket, (*at, index))
    weights = [_weight(bucket) for bucket in buckets]
    known = [weight for weight in weights if weight is not None]
    if known and len(known) == len(weights) and not 0 < sum(known) <= MOST_WEIGHT:
        summary = f"The weights must add up to 1 to {MOST_WEIGHT}, not to {sum(known)}."
        yield Finding("logic-fractional", summary, at, on_key=True)


def _bucket(bucket: Any, at: Pointer) -> Iterator[Finding]:
    if _is_rule(bucket):
        return
    if not isinstance(bucket, list) or not 1 <= len(bucket) <= 2:  # noqa: PLR2004 - a variant and its weight
        hint = "Write [variant, weight]."
        yield Finding("logic-fractional", "A share is a variant and its weight.", at, hint)
    elif len(bucket) > 1 and not _is_rule(bucket[1]) and _weight(bucket) is None:
        summary = "A weight is a whole number from 0 up."
        yield Finding("logic-fractional", summary, (*at, 1), "Multiply all weights until they are whole.")


def _weight(bucket: Any) -> int | None:
    """The weight that is written out in `bucket`; None where none is, or none that counts."""
    if not isinstance(bucket, list) or not bucket:
        return None
    weight = bucket[1] if len(bucket) > 1 else 1
    return weight if isinstance(weight, int) and not isinstance(weight, bool) and weight >= 0 else None


def _sem_ver(arguments: Sequence[Any], at: Pointer) -> Iterator[Finding]:
    comparison = arguments[1]
    if not _is_rule(comparison) and comparison not in COMPARISONS:
        summary = f'"sem_ver" compares by one of {", ".join(COMPARISONS)}.'
        yield Finding("logic-arguments", summary, (*at, 1))
    for index in (0, 2):
        version = arguments[index]
        if not _is_rule(version) and not _VERSION.fullmatch(str(version)):
            yield Finding("logic-arguments", "This is no version like 1.2.3.", (*at, index))


def _affix(arguments: Sequence[Any], at: Pointer) -> Iterator[Finding]:
    for index, argument in enumerate(arguments):
        if not _is_rule(argument) and not isinstance(argument, str):
            yield Finding("logic-arguments", "This must be a text.", (*at, index))


_CLOSER: dict[str, Callable[[Sequence[Any], Pointer], Iterator[Finding]]] = {
    "fractional": _fractional,
    "sem_ver": _sem_ver,
    "starts_with": _affix,
    "ends_with": _affix,
}


def _is_rule(value: Any) -> bool:
    """Whether `value` is computed when the flag is evaluated."""
    return isinstance(value, dict) and len(value) == 1


def _answers(rule: Any, at: Pointer, variants: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the variants that `rule` can answer with, as far as they are written out."""
    if _is_rule(rule):
        ((operator, value),) = rule.items()
        for place, branch in _branches(operator, value):
            yield from _answers(branch, (*at, operator, *place), variants)
    elif rule is not None and at:
        name = str(rule).lower() if isinstance(rule, bool) else str(rule)
        if isinstance(rule, dict | list) or name not in variants:
            there = f"There are {clip(', '.join(variants))}."
            hint = did_you_mean(name, variants) or there
            yield Finding("logic-answer", "The rule answers with what is no variant of the flag.", at, hint)


def _branches(operator: str, value: Any) -> Iterator[tuple[Pointer, Any]]:
    """The parts of an operator's arguments that it can answer with, and their places."""
    arguments = _arguments(value)
    if operator in ("if", "?:") and isinstance(value, list):
        last = len(arguments) - 1
        places = [index for index in range(len(arguments)) if index % 2 or index == last]
        yield from (((index,), arguments[index]) for index in places)
    elif operator == "fractional":
        yield from (
            ((index, 0), share[0]) for index, share in enumerate(arguments) if isinstance(share, list) and share
        )
