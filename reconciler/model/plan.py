"""A plan: every change, and the steps in the order in which they may be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.record import Observation, Record
from reconciler.model.resource import Revision


class Mode(StrEnum):
    NORMAL = "normal"
    DESTROY = "destroy"
    REFRESH_ONLY = "refresh-only"


class Step(NamedTuple):
    """One verb on one component: `number` is its place in the plan, `requires` the numbers of the steps that must
    have succeeded before. `source` and `target` are lifecycle states. `timeout` is in seconds, 0 for none."""

    number: int
    address: Address
    verb: str
    source: str
    target: str
    requires: tuple[int, ...]
    timeout: float = 0.0


class Options(NamedTuple):
    """What the user asked a plan to be."""

    mode: Mode = Mode.NORMAL
    targets: tuple[Address, ...] = ()
    excludes: tuple[Address, ...] = ()
    replace: tuple[Address, ...] = ()


class Base(NamedTuple):
    """The state that a plan starts from."""

    lineage: str
    serial: int


class Guard(NamedTuple):
    """A limit that the plan passes, so that it is not applied unless the guard's `name` is overridden."""

    name: str
    message: str


class Plan(NamedTuple):
    """Everything an apply needs, and nothing that it would have to look up.

    `changes` are in dependency order and never no-ops; `unchanged` are the records that stay as they are, where a whole
    plan was asked for. `drift` is what the drivers saw that differs from the record. `created_at` is RFC 3339, in UTC.
    """

    options: Options
    base: Base
    revision: Revision
    schemas: str
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    unchanged: tuple[Record, ...]
    drift: tuple[tuple[Record, Observation], ...]
    guards: tuple[Guard, ...]
    created_at: str

    @property
    def applyable(self) -> bool:
        """Whether applying it would do anything."""
        if self.options.mode is Mode.REFRESH_ONLY:
            return bool(self.drift)
        return bool(self.changes)

    def counts(self) -> Mapping[Action, int]:
        """How many changes there are of each action; a replace counts as one here."""
        counts = dict.fromkeys(Action, 0)
        for change in self.changes:
            counts[change.action] += 1
        return counts
