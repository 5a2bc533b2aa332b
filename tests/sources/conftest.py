from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from own_git import own_git_configuration
from repository import Repository

__all__ = ["own_git_configuration"]


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[[Path], Repository]:
    """Makes more repositories than one."""

    def make(root: Path) -> Repository:
        root.mkdir(parents=True)
        made = Repository(root, tmp_path / "cache")
        made.git("init", "-q", "-b", "main")
        return made

    return make
