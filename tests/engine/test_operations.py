"""A plan reads of the state what it needs, and the whole of it where the state moves meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from repository import Repository

from reconciler.bootstrap import Registry, open_registry
from reconciler.engine.operations import Request, plan
from reconciler.model.address import Address
from reconciler.model.plan import Options, Plan
from reconciler.model.record import Record, RecordedState
from reconciler.ports import Moved, StateStore

MANIFEST = """apiVersion: ureg/v1
kind: Component
metadata: {name: %s}
spec: {type: application, owner: shop, description: %s}
"""


class Counted(Mapping[Address, Record]):
    """Notes what is read of `records`; from the start to the end of a `move` reading raises Moved."""

    def __init__(self, records: Mapping[Address, Record], moved: bool) -> None:
        self.read: list[Address] = []
        self._records = records
        self._moved = moved

    def __getitem__(self, address: Address) -> Record:
        if self._moved:
            raise Moved("The state was written while it was being read.")
        self.read.append(address)
        return self._records[address]

    def __contains__(self, address: object) -> bool:
        return address in self._records

    def __iter__(self) -> Iterator[Address]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class Watched:
    """A store whose surveys are counted."""

    def __init__(self, store: StateStore, moved: bool) -> None:
        self.loads = 0
        self._store = store
        self._moved = moved

    def survey(self) -> RecordedState:
        found = self._store.survey()
        self.records = Counted(found.records, self._moved)
        return found._replace(records=self.records)

    def load(self) -> RecordedState:
        self.loads += 1
        return self._store.load()


def planned(registry: Registry, store: Watched, whole: bool = False) -> Plan:
    request = Request(Options(), whole=whole)
    parts = registry.settings, registry.catalogue, registry.source, registry.cache
    made = plan(request, *parts, store, registry.driver_for, registry.clock).plan  # type: ignore[arg-type]
    assert made
    return made


def opened(repository: Repository) -> Registry:
    for name in "abcdef":
        repository.write(f"registry.d/{name}.yaml", MANIFEST % (name, name))
    repository.ureg("apply", "-auto-approve")
    repository.write("registry.d/c.yaml", MANIFEST % ("c", "changed"))
    return open_registry(Path(repository.root), {}, repository.environment)


def test_a_plan_reads_the_records_that_differ(repository: Repository) -> None:
    registry = opened(repository)
    store = Watched(registry.store, moved=False)
    made = planned(registry, store)
    assert [change.address for change in made.changes] == ["component/c"]
    assert (set(store.records.read), store.loads, made.unchanged) == ({"component/c"}, 0, ())
    whole = planned(registry, store, whole=True)
    assert (whole.changes, len(whole.unchanged)) == (made.changes, 5)


def test_a_state_that_moves_is_read_as_a_whole(repository: Repository) -> None:
    registry = opened(repository)
    store = Watched(registry.store, moved=True)
    assert [change.address for change in planned(registry, store).changes] == ["component/c"]
    assert store.loads == 1
