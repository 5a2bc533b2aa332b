"""What the planner needs from outside: what the drivers see, and what is recorded of a reference that dangles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid
from reconciler.model.kind import Catalogue
from reconciler.model.record import Observation, Record, RecordedState
from reconciler.planner.build import explain_dangling
from reconciler.ports import Driver, DriverFor, StateStore


def explain(diagnostics: Diagnostics, store: StateStore) -> Diagnostics:
    """`diagnostics` of a compile, with the references to something that is still recorded told as such."""
    if any(finding.code == "reference-unknown" for finding in diagnostics):
        return explain_dangling(diagnostics, store.load())
    return diagnostics


def observe(recorded: RecordedState, catalogue: Catalogue, driver_for: DriverFor) -> tuple[Observation, ...]:
    """What the drivers see of everything recorded, one call a driver that acts on the world. Raises Invalid where one
    cannot look."""
    seen: list[Observation] = []
    for name, addresses in _by_driver(recorded.records, catalogue).items():
        driver = driver_for(name)
        if driver.acts:
            seen += observe_with(driver, [recorded.records[address] for address in addresses])
    return tuple(seen)


def _by_driver(addresses: Iterable[Address], catalogue: Catalogue) -> Mapping[str, list[Address]]:
    by_kind: dict[str, list[Address]] = {}
    for address in addresses:
        by_kind.setdefault(address.partition("/")[0], []).append(address)
    by_driver: dict[str, list[Address]] = {}
    for prefixed, group in by_kind.items():
        kind = catalogue.kinds.get(prefixed.rpartition(":")[2])
        if kind is not None:
            by_driver.setdefault(kind.driver, []).extend(group)
    return by_driver


def observe_with(driver: Driver, records: Sequence[Record]) -> Iterable[Observation]:
    """What `driver` sees of `records`. Raises Invalid where it cannot look."""
    try:
        return list(driver.observe(records))
    except Exception as error:
        fault = "" if isinstance(error, OSError) else f"It has a bug: {type(error).__name__}. "
        raise Invalid(
            Diagnostic(
                "observe-failed",
                f"The {driver.name} driver cannot see what is there",
                detail=f"{fault}{error}",
                hint="Mend what it says, or plan with -refresh=false to go by the recorded state alone.",
            )
        ) from error
