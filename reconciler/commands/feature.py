"""`ureg feature`: evaluates feature flags as a client would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from reconciler.bootstrap import Registry, evaluate, read_feature
from reconciler.commands import options
from reconciler.commands.view import View, on_registry
from reconciler.compiler.suggest import did_you_mean
from reconciler.engine.desired import compile_desired
from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Invalid

if TYPE_CHECKING:
    from reconciler.drivers.flagd import Feature

_DRIVER = "flagd"
_TARGETING_KEY = "targetingKey"


@click.group("feature", cls=options.Group)
def command() -> None:
    """Evaluate feature flags as a client would."""


@command.command("eval", cls=options.Command)
@click.argument("name")
@options.option("context", "What the client tells of itself: a number, boolean, list or mapping as in JSON, else a "
                "text. Repeatable.", multiple=True, metavar="KEY=VALUE")  # fmt: skip
@options.option("environment", "Evaluate as in this environment.", default="", metavar="NAME")
@options.flag("applied", "Evaluate what was last applied instead of the manifests.")
@options.flag("json", "Write JSON.", "as_json")
@options.output
@options.settings
@on_registry
def evaluate_(
    view: View,
    registry: Registry,
    name: str,
    context: tuple[str, ...],
    environment: str,
    applied: bool,
    as_json: bool,
) -> int:
    """Show what a client gets for the flag NAME.

    That is its value, its variant, and why.

    Exits with 1 where a client gets an error.
    """
    from reconciler.render.evaluation import render_evaluation, render_evaluation_json

    told = _context(context)
    features = _applied(registry) if applied else _desired(view, registry)
    feature = _named(name, features)
    _know(environment, features.values())
    evaluation = evaluate(feature, environment, told)
    document = {"flag": feature.key, "environment": environment, **evaluation._asdict()}
    view.write(render_evaluation_json(document) if as_json else render_evaluation(document, view.style))
    return 1 if evaluation.error else 0


def _context(pairs: Iterable[str]) -> dict[str, Any]:
    """Raises UsageError for what is no KEY=VALUE."""
    context: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise click.UsageError(f"-context takes KEY=VALUE, not {pair!r}.")
        context[key] = text if key == _TARGETING_KEY else _value(text)
    return context


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _desired(view: View, registry: Registry) -> dict[Address, Feature]:
    settings = registry.settings
    compiled = compile_desired(registry.source, registry.cache, registry.catalogue, settings.registry, look=False)
    if compiled.desired is None:
        raise Invalid(*compiled.diagnostics)
    view.report(compiled.diagnostics)
    kinds = _kinds(registry)
    resources = compiled.desired.resources.values()
    return {r.address: read_feature(r.address, r.state, r.body()) for r in resources if r.kind in kinds}


def _applied(registry: Registry) -> dict[Address, Feature]:
    kinds = _kinds(registry)
    records = registry.store.load().records.values()
    return {r.address: read_feature(r.address, r.state, r.body()) for r in records if r.kind in kinds}


def _kinds(registry: Registry) -> set[str]:
    return {kind.name for kind in registry.catalogue.kinds.values() if kind.driver == _DRIVER}


def _named(name: str, features: Mapping[Address, Feature]) -> Feature:
    """The feature that `name`, its key or its address, means. Raises Invalid."""
    by_name = {**{feature.key: feature for feature in features.values()}, **features}
    if name not in by_name:
        hint = did_you_mean(name, by_name) or "`ureg get` lists what is applied."
        raise Invalid(Diagnostic("feature-unknown", f"There is no feature {name!r}", hint=hint))
    return by_name[name]


def _know(environment: str, features: Iterable[Feature]) -> None:
    """Raises Invalid where no feature says anything of `environment`."""
    known = sorted({name for feature in features for name in feature.environments})
    if environment and environment not in known:
        hint = did_you_mean(environment, known) or (f"There are {', '.join(known)}." if known else "There are none.")
        raise Invalid(Diagnostic("environment-unknown", f"No feature names the environment {environment!r}", hint=hint))
