"""The driver of kinds that are only a record: nothing in the world belongs to their components."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.drivers.site import Site
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.ports import Driver


class RecordDriver:
    name = "record"
    acts = False
    batches = True

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        return ()

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address) for transition in transitions]

    def health(self, record: Record) -> Health:
        return Health(healthy=True)

    def logs(self, record: Record, lines: int, follow: bool) -> Sequence[str]:
        return ()


def open_driver(site: Site) -> Driver:
    return RecordDriver()
