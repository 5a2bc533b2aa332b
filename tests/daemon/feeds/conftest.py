from __future__ import annotations

from pathlib import Path

import pytest
from daemon.feeds.ear import Ear
from estate import Estate
from own_git import own_git_configuration

__all__ = ["own_git_configuration"]


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)
