from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An output folder that does not exist yet."""
    return tmp_path.resolve() / ".ureg" / "out"
