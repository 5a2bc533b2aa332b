"""Evaluates a flag with the engine that clients use: to find out whether they can, and what one would get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from openfeature.flag_evaluation import FlagResolutionDetails

_UNRUN = frozenset({"map", "filter", "reduce", "all", "some", "none", "log"})
"""A few nested loops can run for hours, and `log` writes into our output."""


class BadFlag(ValueError):
    """Why clients could not evaluate a flag, in words."""


class Evaluation(NamedTuple):
    """What a client gets. `value` and `variant` are None where the default in its own code holds. `reason` is
    OpenFeature's word, `error` says why there is no value, "" where there is one."""

    value: Any
    variant: str | None
    reason: str
    error: str = ""


def check_flag(key: str, flag: Mapping[str, Any]) -> None:
    """Evaluates `flag`, as it stands in a flagd document, once, unless that could take for ever. Raises BadFlag where
    clients cannot."""
    from openfeature.exception import GeneralError, OpenFeatureError, ParseError

    if not _UNRUN.isdisjoint(_operators(flag.get("targeting"))):
        return
    try:
        _resolve(key, flag, {})
    except (GeneralError, ParseError) as error:
        raise BadFlag(f"flag clients cannot evaluate it: {error.error_message or 'malformed flag'}") from error
    except (OpenFeatureError, ArithmeticError, TypeError, ValueError):
        pass  # the rule needs attributes that only a real context has


def evaluate(key: str, flag: Mapping[str, Any], context: Mapping[str, Any]) -> Evaluation:
    """What a client gets for `flag` in `context`. Takes as long as the rule does."""
    from openfeature.exception import OpenFeatureError

    try:
        found = _resolve(key, flag, context)
    except OpenFeatureError as error:
        return Evaluation(None, None, "ERROR", f"{error.error_code}: {error.error_message or 'malformed flag'}")
    except (ArithmeticError, TypeError, ValueError) as error:
        return Evaluation(None, None, "ERROR", f"GENERAL: {error}")
    return Evaluation(found.value, found.variant, str(found.reason))


def _resolve(key: str, flag: Mapping[str, Any], context: Mapping[str, Any]) -> FlagResolutionDetails[Any]:
    """Raises OpenFeatureError, and whatever the rule makes the engine stumble over."""
    from openfeature.contrib.tools.flagd.core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext

    attributes = {name: value for name, value in context.items() if name != "targetingKey"}
    asked = EvaluationContext(context.get("targetingKey"), attributes)
    core = FlagdCore()
    with _quiet():
        core.set_flags(orjson.dumps({"flags": {key: flag}}).decode())
        found: FlagResolutionDetails[Any] = getattr(core, _method(flag))(key, None, asked)
        return found


def _method(flag: Mapping[str, Any]) -> str:
    """The call by which a client asks for a flag with these variants."""
    values = list(flag.get("variants", {}).values())
    for kind, name in ((bool, "boolean"), (str, "string"), (int, "integer"), (int | float, "float")):
        if all(isinstance(value, kind) for value in values):
            return f"resolve_{name}_value"
    return "resolve_object_value"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the engine from reporting every attribute that a context lacks."""
    import logging

    logger = logging.getLogger("openfeature.contrib")
    disabled = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = disabled


def _operators(rule: Any) -> Iterator[str]:
    """Every operator in `rule`. A map with one key is an operator and its arguments, any other map is a value."""
    if isinstance(rule, list):
        for item in rule:
            yield from _operators(item)
    elif isinstance(rule, dict) and len(rule) == 1:
        ((operator, arguments),) = rule.items()
        yield operator
        yield from _operators(arguments)
