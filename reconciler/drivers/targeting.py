"""Checks a flag for what flagd's schema lets pass and its clients fail on: a default or an answer that is not among
the variants, and an operator that no client knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_LOOPS = frozenset({"map", "filter", "reduce", "all", "some", "none"})
# JsonLogic's operators but for `log`, which writes to the evaluating program's output, and flagd's own.
_OPERATORS = _LOOPS | {
    *("if", "?:", "and", "or", "!", "!!", "==", "!=", "===", "!==", "<", ">", "<=", ">=", "+", "-", "*", "/", "%"),
    *("min", "max", "in", "cat", "substr", "merge", "var", "missing", "missing_some"),
    *("fractional", "sem_ver", "starts_with", "ends_with"),
}


class BadFlag(ValueError):
    """Why clients could not evaluate a flag, in words."""


def check_flag(key: str, flag: Mapping[str, Any]) -> None:
    """Raises BadFlag where `flag`, as it stands in a flagd document, names a variant or an operator that does not
    exist. Rules without loops are also evaluated once, by the engine that clients use."""
    variants, default, rule = flag.get("variants", {}), flag.get("defaultVariant"), flag.get("targeting")
    if default is not None and default not in variants:
        raise BadFlag(f"defaultVariant {default!r} is not a variant: there are {', '.join(variants)}")
    if not rule:
        return
    operators = set(_operators(rule))
    unknown = sorted(operators - _OPERATORS)
    if unknown:
        raise BadFlag(f"targeting uses the operator {unknown[0]!r}, which flag clients do not know{_hint(unknown[0])}")
    for answer in _answers(rule):
        if answer not in variants:
            raise BadFlag(f"targeting can answer {answer!r}, which is not a variant: there are {', '.join(variants)}")
    if not operators & _LOOPS:  # a few nested loops can run for hours
        _evaluate(key, flag)


def _operators(rule: Any) -> Iterator[str]:
    """Every operator in `rule`. A map with one key is an operator and its arguments, any other map is a value."""
    if isinstance(rule, list):
        for item in rule:
            yield from _operators(item)
    elif isinstance(rule, dict) and len(rule) == 1:
        ((operator, arguments),) = rule.items()
        yield operator
        yield from _operators(arguments)


def _answers(rule: Any) -> Iterator[str]:
    """The variants that `rule` can answer with, as far as they are written out in it."""
    if isinstance(rule, bool):
        yield str(rule).lower()
    elif isinstance(rule, str):
        yield rule
    elif isinstance(rule, dict) and len(rule) == 1:
        ((operator, arguments),) = rule.items()
        for branch in _branches(operator, arguments if isinstance(arguments, list) else [arguments]):
            yield from _answers(branch)


def _branches(operator: str, arguments: list[Any]) -> list[Any]:
    if operator in ("if", "?:"):
        last = arguments[-1:] if len(arguments) % 2 else []
        return arguments[1::2] + last
    if operator == "fractional":
        return [bucket[0] for bucket in arguments if isinstance(bucket, list) and bucket]
    return []


def _hint(operator: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(operator, sorted(_OPERATORS), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _evaluate(key: str, flag: Mapping[str, Any]) -> None:
    import logging

    from openfeature.contrib.tools.flagd.core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.exception import GeneralError, OpenFeatureError, ParseError

    logger = logging.getLogger("openfeature.contrib")
    disabled = logger.disabled
    logger.disabled = True  # it reports every attribute that the context here lacks
    core = FlagdCore()
    try:
        core.set_flags(orjson.dumps({"flags": {key: flag}}).decode())
        core.resolve_object_value(key, {}, EvaluationContext(targeting_key="ureg"))
    except (GeneralError, ParseError) as error:
        raise BadFlag(f"flag clients cannot evaluate it: {error.error_message or 'malformed flag'}") from error
    except (OpenFeatureError, ArithmeticError, TypeError, ValueError):
        pass  # the flag is of another type, or the rule needs attributes that only a real context has
    finally:
        logger.disabled = disabled
