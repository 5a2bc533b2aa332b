from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from reconciler.drivers.secrets import Secrets


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a registry."""
    made = tmp_path.resolve() / "registry"
    made.mkdir()
    return made


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which sops finds its program and its key."""
    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "age.txt"
    key.write_text(f"{identity}\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "SOPS_AGE_KEY_FILE": str(key), "RECIPIENT": str(identity.to_public())}


@pytest.fixture
def secrets(root: Path, environment: dict[str, str]) -> Secrets:
    return Secrets(root, environment)


@pytest.fixture
def encrypt(root: Path, environment: dict[str, str]) -> Callable[[str, str], Path]:
    """Writes a file of the registry, encrypted by sops."""

    def write(path: str, text: str) -> Path:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        command = ["sops", "encrypt", "--in-place", "--age", environment["RECIPIENT"], str(target)]
        subprocess.run(command, check=True, env={**environment, "SOPS_DISABLE_VERSION_CHECK": "1"})
        return target

    return write
