"""Thousands of YAML files that nobody here wrote: the licence catalogue of an old ScanCode release, fetched once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import pytest

REQUIREMENT = "scancode-toolkit==3.1.1 --hash=sha256:8a9b0ae734c6fc9a1da4034a808e6ab5cde67672f6fa1492b9a630483f2eeba1\n"
SCHEMA = Path(__file__).with_name("licence.schema.json")
LICENCES = "licensedcode/data/licenses/"
RULES = "licensedcode/data/rules/"


@pytest.fixture(scope="session")
def kept(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the catalogue is kept: until the next run, unless pytest was told to keep nothing."""
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    return cache.mkdir("catalogue") if cache else tmp_path_factory.mktemp("catalogue")


def yaml_files(cache: Path, folder: str) -> Iterator[tuple[str, bytes]]:
    """The names and contents of the catalogue's YAML files below `folder`. Fetches the package into `cache`, about
    17 MB, unless it is there."""
    with ZipFile(_package(cache)) as package:
        for name in package.namelist():
            if name.startswith(folder) and name.endswith(".yml"):
                yield name.removeprefix(folder), package.read(name)


def _package(cache: Path) -> Path:
    kept = cache / "scancode.whl"
    if not kept.exists():
        with TemporaryDirectory(dir=cache) as folder:
            _fetch(Path(folder)).replace(kept)
    return kept


def _fetch(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(REQUIREMENT, encoding="utf-8")
    options = [
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--dest",
        str(folder),
        "-r",
        str(requirements),
    ]
    subprocess.run([sys.executable, "-m", "pip", "download", *options], check=True)
    (package,) = folder.glob("*.whl")
    return package
