"""Finds where git, the recorded state and the world part. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconciler.engine.choosing import choose
from reconciler.engine.desired import compile_desired
from reconciler.engine.nodes import settle
from reconciler.engine.planning import explain, look
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.drift import Drift, Moved
from reconciler.model.kind import Catalogue
from reconciler.model.settings import Settings
from reconciler.planner.drift import Sides, compare
from reconciler.ports import CompileCache, DriverFor, Source, StateStore


class Found(NamedTuple):
    """The components whose sides differ, of `compared` that were looked at. `drifts` is None where the manifests are
    invalid. Components of a driver that cannot look are compared on the other two sides; `diagnostics` tell of it."""

    drifts: tuple[Drift, ...] | None
    compared: int
    diagnostics: Diagnostics

    @property
    def drifted(self) -> bool:
        """Whether the world is otherwise than the last apply left it."""
        return any(drift.moved is not Moved.GIT for drift in self.drifts or ())


def find_drift(
    words: Sequence[str],
    settings: Settings,
    catalogue: Catalogue,
    source: Source,
    cache: CompileCache,
    store: StateStore,
    driver_for: DriverFor,
) -> Found:
    """Compares the components that `words` (addresses and kinds, none for all) mean. Raises Invalid and StateError."""
    compiled = compile_desired(source, cache, catalogue, settings.registry)
    if compiled.desired is None:
        return Found(None, 0, explain(compiled.diagnostics, store))
    records = store.load().records
    settled = settle(compiled.desired, compiled.texts, records, settings, cache, catalogue, driver_for, look=True)
    desired = settled.desired.resources
    among = choose(words, desired.keys() | records.keys(), catalogue)
    visible = settled.visible
    looked = look({address: visible[address] for address in among if address in visible}, catalogue, driver_for)
    sides = Sides(desired, records, {seen.address: seen for seen in looked.observations})
    return Found(
        compare(sides, among, catalogue), len(among), (*compiled.diagnostics, *settled.diagnostics, *looked.problems)
    )
