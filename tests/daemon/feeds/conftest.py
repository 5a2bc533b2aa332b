from __future__ import annotations

import os
from pathlib import Path

import pytest
from daemon.feeds.ear import Ear
from estate import Estate


@pytest.fixture(autouse=True)
def _own_git_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the developer's own git configuration out of the process under test."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)
