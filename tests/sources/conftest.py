from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from repository import Repository


@pytest.fixture(autouse=True)
def _own_git_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the developer's own git configuration out of the process under test."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[[Path], Repository]:
    """Makes more repositories than one."""

    def make(root: Path) -> Repository:
        root.mkdir(parents=True)
        made = Repository(root, tmp_path / "cache")
        made.git("init", "-q", "-b", "main")
        return made

    return make
