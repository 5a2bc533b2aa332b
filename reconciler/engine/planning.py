"""What the planner needs from outside: what the drivers see, and what is recorded of a reference that dangles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from reconciler.engine.asking import NoAnswer, ask_all
from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid
from reconciler.model.kind import Catalogue
from reconciler.model.record import Observation, Record
from reconciler.planner.build import explain_dangling
from reconciler.ports import Driver, DriverFor, StateStore

OBSERVE_LIMIT = 120.0
"""How long, in seconds, a driver may look at all of its components together."""


class Looked(NamedTuple):
    """What the drivers see, and an error for each one that cannot look."""

    observations: tuple[Observation, ...]
    problems: Diagnostics


def explain(diagnostics: Diagnostics, store: StateStore) -> Diagnostics:
    """`diagnostics` of a compile, with the references to something that is still recorded told as such."""
    if any(finding.code == "reference-unknown" for finding in diagnostics):
        return explain_dangling(diagnostics, store.load())
    return diagnostics


def observe(records: Mapping[Address, Record], catalogue: Catalogue, driver_for: DriverFor) -> tuple[Observation, ...]:
    """What the drivers see of `records`. Raises Invalid with all drivers that cannot look."""
    looked = look(records, catalogue, driver_for)
    if looked.problems:
        raise Invalid(*looked.problems)
    return looked.observations


def look(records: Mapping[Address, Record], catalogue: Catalogue, driver_for: DriverFor) -> Looked:
    """What the drivers that act on the world see of `records`: one call a driver, all at once, each with a limit of
    time. The records of others are not even read."""
    drivers: list[tuple[Driver, Sequence[Record]]] = []
    problems: list[Diagnostic] = []
    for name, addresses in by_driver(records, catalogue).items():
        try:
            driver = driver_for(name)
        except Invalid as error:
            problems += error.diagnostics
        else:
            if driver.acts:
                drivers.append((driver, [records[address] for address in addresses]))
    looked = _look_with(drivers)
    return Looked(looked.observations, (*problems, *looked.problems))


def observe_with(driver: Driver, records: Sequence[Record]) -> Iterable[Observation]:
    """What `driver` sees of `records`. Raises Invalid where it cannot look."""
    observations, problems = _look_with([(driver, records)])
    if problems:
        raise Invalid(*problems)
    return observations


def by_driver(addresses: Iterable[Address], catalogue: Catalogue) -> Mapping[str, list[Address]]:
    """The components of each driver; those of a kind that no schema describes are left out."""
    by_kind: dict[str, list[Address]] = {}
    for address in addresses:
        by_kind.setdefault(address.partition("/")[0], []).append(address)
    drivers: dict[str, list[Address]] = {}
    for head, group in by_kind.items():
        kind = catalogue.kinds.get(head.rpartition(":")[2])
        if kind is not None:
            drivers.setdefault(kind.driver, []).extend(group)
    return drivers


def _look_with(drivers: Sequence[tuple[Driver, Sequence[Record]]]) -> Looked:
    lanes = [[partial(_look, driver, records)] for driver, records in drivers]
    answers = [answer for lane in ask_all(lanes, OBSERVE_LIMIT, len(lanes)) for answer in lane]
    observations: list[Observation] = []
    problems: list[Diagnostic] = []
    for (driver, _), answer in zip(drivers, answers, strict=True):
        if isinstance(answer, Exception):
            problems.append(_blind(driver, answer))
        else:
            observations += answer
    return Looked(tuple(observations), tuple(problems))


def _look(driver: Driver, records: Sequence[Record]) -> list[Observation]:
    return list(driver.observe(records))


def _blind(driver: Driver, error: Exception) -> Diagnostic:
    fault = "" if isinstance(error, OSError | NoAnswer) else f"It has a bug: {type(error).__name__}. "
    return Diagnostic(
        "observe-failed",
        f"The {driver.name} driver cannot see what is there",
        detail=f"{fault}{error}",
        hint="Mend what it says, or plan with -refresh=false to go by the recorded state alone.",
    )
