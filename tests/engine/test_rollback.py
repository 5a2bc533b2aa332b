"""Which commit a serial stands for."""

from __future__ import annotations

import pytest
from engine.memory import MemoryStore

from reconciler.engine.rollback import commit_by
from reconciler.model.diagnostics import Invalid
from reconciler.model.history import LockInfo, Run
from reconciler.ports import Write


@pytest.fixture
def store() -> MemoryStore:
    """Serials 1 and 2 from the commit one, 3 by hand, 4 from the commit two; then a run that changed nothing."""
    made = MemoryStore()
    for number, (commit, writes) in enumerate([("one", 2), ("", 1), ("two", 1), ("three", 0)]):
        with made.write(LockInfo("lock", "apply", "me", 1), 0.0) as writer:
            writer.begin(Run(f"run-{number}", "apply", "me", commit, ""))
            for _ in range(writes):
                writer.settle([Write("one/a", None, "rm")])
            writer.finish("ok")
    return made


@pytest.mark.parametrize(("serial", "commit"), [(1, "one"), (2, "one"), (3, "one"), (4, "two")])
def test_a_serial_stands_for_the_commit_applied_by_then(store: MemoryStore, serial: int, commit: str) -> None:
    assert commit_by(store, serial) == commit


def test_a_serial_before_the_first_commit(store: MemoryStore) -> None:
    with pytest.raises(Invalid, match="No commit had been applied"):
        commit_by(store, 0)
