from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers.envoy.backends import Backend, backends
from drivers.envoy.scene import Scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A mesh `edge` that runs for all tests of a module, below a root that is longer than a socket's path may be."""
    for made in Scene.opened(tmp_path_factory.mktemp("scene") / ("deep" * 30)):
        assert made.go(made.mesh()) == [""]
        yield made


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """A place of the test's own, in which nothing runs yet."""
    yield from Scene.opened(tmp_path / "own")


@pytest.fixture
def one() -> Iterator[Backend]:
    with backends("one") as (first,):
        yield first


@pytest.fixture
def two() -> Iterator[Backend]:
    with backends("two") as (second,):
        yield second
