from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers.process.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A place with one supervisord for all tests of a module, below a root that is hard on paths."""
    root = tmp_path_factory.mktemp("world") / ("deep" * 30) / "a b;c %d#e"
    yield from World.opened(root)


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """A place with a supervisord of the test's own."""
    yield from World.opened(tmp_path / "own")
