"""Asks the drivers how components are right now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from reconciler.engine.asking import NoAnswer, ask_all
from reconciler.engine.planning import by_driver
from reconciler.model.diagnostics import Invalid
from reconciler.model.kind import Catalogue
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health
from reconciler.model.record import Record, Status
from reconciler.ports import DriverFor

HEALTH_LIMIT = 30.0
"""How long, in seconds, a driver may take for one component."""


class Checked(NamedTuple):
    record: Record
    health: Health


class _Lane(NamedTuple):
    """Components that are asked for one after the other."""

    ask: Callable[[Record], Health]
    records: Sequence[Record]


def check(
    records: Sequence[Record], catalogue: Catalogue, driver_for: DriverFor, parallelism: int
) -> tuple[Checked, ...]:
    """How each of `records` is, in their order, asked for at most `parallelism` of them at once. What failed last
    is not healthy, nor is that of which nobody can tell; the message says why. Never raises."""
    known = {record.address: health for record in records if (health := _without_asking(record, catalogue))}
    lanes = list(_lanes([record for record in records if record.address not in known], catalogue, driver_for))
    questions = [[partial(lane.ask, record) for record in lane.records] for lane in lanes]
    for lane, answers in zip(lanes, ask_all(questions, HEALTH_LIMIT, parallelism), strict=True):
        known.update(
            {record.address: _told(record, answer) for record, answer in zip(lane.records, answers, strict=True)}
        )
    return tuple(Checked(record, known[record.address]) for record in records)


def _without_asking(record: Record, catalogue: Catalogue) -> Health | None:
    if record.state == ABSENT:
        return Health(healthy=False, message=f"it was never made: {record.error}")
    if record.kind.lower() not in catalogue.kinds:
        return Health(healthy=False, message=f"no schema describes the kind {record.kind}")
    return None


def _lanes(records: Iterable[Record], catalogue: Catalogue, driver_for: DriverFor) -> Iterator[_Lane]:
    """One lane a component: to ask is to look, which any driver can do many times at once. One lane for all of a driver
    that has nothing to look at."""
    by_address = {record.address: record for record in records}
    for name, addresses in by_driver(by_address, catalogue).items():
        group = [by_address[address] for address in addresses]
        try:
            driver = driver_for(name)
        except Invalid as error:
            yield _Lane(partial(_refuse, error), group)
            continue
        if driver.acts:
            yield from (_Lane(driver.health, [record]) for record in group)
        else:
            yield _Lane(driver.health, group)


def _refuse(error: Invalid, record: Record) -> Health:
    raise error


def _told(record: Record, answer: Health | Exception) -> Health:
    """What the driver says; where it is content, what is left of a transition that failed."""
    if isinstance(answer, Health):
        failed = answer.healthy and record.status is Status.FAILED
        return Health(healthy=False, message=f"its last transition failed: {record.error}") if failed else answer
    expected = isinstance(answer, NoAnswer | OSError | Invalid)
    message = str(answer) if expected else f"its driver has a bug: {type(answer).__name__}: {answer}"
    return Health(healthy=False, message=message)
