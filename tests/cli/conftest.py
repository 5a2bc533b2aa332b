"""Registries whose secrets hold markers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest
from planted import LEAKY, MARKERS, Planted
from repository import Repository
from state.postgres_server import postgres_server

__all__ = ["postgres_server"]


@pytest.fixture
def planted(repository: Repository, tmp_path: Path) -> Planted:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "age.txt").write_text(f"{identity}\n")
    for folder in ("temporary", "home", "mounted/secrets"):
        (tmp_path / folder).mkdir(parents=True)
    repository.environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "temporary"),
        "SOPS_AGE_KEY_FILE": str(tmp_path / "age.txt"),
        "SOPS_DISABLE_VERSION_CHECK": "1",
        "UREG_SECRET_FOLDERS": str(tmp_path / "mounted"),
        "TOKEN": MARKERS["TOKEN"],
        "EMAIL": "test@example.org",
    }
    (tmp_path / "mounted/secrets/token").write_text(MARKERS["MOUNTED"])
    repository.write(".gitignore", "/.ureg/\n/secrets/token\n")
    repository.write("secrets/token", f"{MARKERS['FILE']}\n")
    file = repository.write("secrets/shop.yaml", f"database:\n  password: {MARKERS['SOPS']}\n")
    command = ["sops", "encrypt", "--in-place", "--age", str(identity.to_public()), str(file)]
    subprocess.run(command, check=True, env=repository.environment)
    made = Planted(repository, tmp_path)
    made.config("app")
    repository.commit()
    return made


@pytest.fixture
def leaky(planted: Planted, tmp_path: Path) -> Planted:
    """With a kind whose driver, someone else's, tells its secret at every turn."""
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ureg.drivers]\nleaky = acme_leaky\n")
    (site / "acme_leaky.py").write_text(LEAKY)
    planted.repository.environment["PYTHONPATH"] = str(site)
    schema = json.loads((Path(__file__).parents[2] / "schemas/component.schema.json").read_text())
    schema |= {"$id": "note.schema.json", "title": "Note"}
    schema["x-ureg"] = {"kind": "Note", "plural": "notes", "driver": "leaky"}
    schema["properties"]["kind"] = {"const": "Note", "description": "The kind."}
    schema["properties"]["state"] = {"enum": ["present"], "description": "It is there."}
    schema["properties"]["spec"] = {"type": "object", "description": "What it is."}
    schema["examples"] = []
    planted.repository.write("schemas/note.schema.json", json.dumps(schema))
    return planted


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, leaky: Planted) -> Planted:
    """On each store."""
    if request.param == "postgresql":
        url = leaky.new_database(request.getfixturevalue("postgres_server"))
        leaky.repository.environment["UREG_STATE"] = url
    return leaky
