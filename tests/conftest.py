from __future__ import annotations

import signal
from pathlib import Path

import pytest
from repository import Repository

# A shell has what it starts in the background ignore Ctrl-C, and so would every process of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "repository"
    root.mkdir()
    made = Repository(root, tmp_path / "cache")
    made.git("init", "-q", "-b", "main")
    return made
