from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_values import lock, put, record

from reconciler.state.sqlite import SqliteStore

MEMORY = Path("/dev/shm")
"""Where a sync costs nothing, on most machines."""


@pytest.fixture
def path() -> Iterator[Path]:
    """Where a state's file is to be."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder) / ".ureg" / "state.db"


@pytest.fixture
def store(path: Path) -> SqliteStore:
    return SqliteStore(path)


@pytest.fixture
def filled(store: SqliteStore) -> SqliteStore:
    with store.write(lock(), 0) as writer:
        writer.settle(put(*(record(f"s{number:03}") for number in range(200))))
    return store
