"""The operations that commands, the daemon and later the server call."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.engine.desired import compile_desired
from reconciler.engine.nodes import settle
from reconciler.engine.planning import explain, observe
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.kind import Catalogue
from reconciler.model.plan import Mode, Options, Plan
from reconciler.model.settings import Settings
from reconciler.planner.build import build
from reconciler.ports import Clock, CompileCache, DriverFor, Source, StateStore


class Request(NamedTuple):
    """What to plan, and whether to look at the world first."""

    options: Options
    refresh: bool = True


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
    recorded = store.load()
    settled = settle(compiled, recorded.records, settings, catalogue, driver_for, request.refresh)
    if settled.desired is None and request.options.mode is Mode.NORMAL:
        return Planned(None, (*compiled.diagnostics, *settled.diagnostics))
    visible = recorded._replace(records=settled.visible)
    observations = observe(visible, catalogue, driver_for) if request.refresh else ()
    desired = settled.desired or compiled.desired
    made, diagnostics = build(desired, recorded, observations, catalogue, request.options, settings.guards, clock.now())
    return Planned(made, (*compiled.diagnostics, *settled.diagnostics, *diagnostics))
