"""The operations that commands, the daemon and later the server call."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.engine.desired import compile_desired
from reconciler.engine.nodes import settle
from reconciler.engine.planning import explain, observe
from reconciler.model.diagnostics import Diagnostics, errors
from reconciler.model.kind import Catalogue
from reconciler.model.plan import Mode, Options, Plan
from reconciler.model.record import RecordedState
from reconciler.model.settings import Settings
from reconciler.planner.build import build
from reconciler.ports import Clock, CompileCache, DriverFor, Moved, Source, StateStore


class Request(NamedTuple):
    """What to plan, and whether to look at the world first. `whole` asks for a plan that names what stays as it is."""

    options: Options
    refresh: bool = True
    whole: bool = False


class Planned(NamedTuple):
    """`plan` is None where `diagnostics` hold an error."""

    plan: Plan | None
    diagnostics: Diagnostics


def plan(
    request: Request,
    settings: Settings,
    catalogue: Catalogue,
    source: Source,
    cache: CompileCache,
    store: StateStore,
    driver_for: DriverFor,
    clock: Clock,
) -> Planned:
    """Compares what the files of `source` ask for with what is recorded and seen. Changes nothing.

    Raises Invalid and StateError where there is nothing to compare.
    """
    compiled = compile_desired(source, cache, catalogue, settings.registry, look=request.refresh)
    if compiled.desired is None:
        return Planned(None, explain(compiled.diagnostics, store))
    asked, texts = compiled.desired, compiled.texts

    def against(recorded: RecordedState) -> Planned:
        settled = settle(asked, texts, recorded.records, settings, cache, catalogue, driver_for, request.refresh)
        told = (*compiled.diagnostics, *settled.diagnostics)
        if errors(settled.diagnostics) and request.options.mode is Mode.NORMAL:
            return Planned(None, told)
        seen = observe(settled.visible, catalogue, driver_for) if request.refresh else ()
        limits, now = settings.guards, clock.now()
        made, found = build(settled.desired, recorded, seen, catalogue, request.options, limits, now, request.whole)
        return Planned(made, (*told, *found))

    try:
        return against(store.survey())
    except Moved:
        return against(store.load())
