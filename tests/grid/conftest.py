from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from grid.world import World
from repository import Repository
from state.postgres_server import PostgresServer, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with running_server() as made:
        yield made


@pytest.fixture
def world(repository: Repository, server: PostgresServer, tmp_path: Path) -> Iterator[World]:
    made = World(repository, server, tmp_path)
    yield made
    made.close()
