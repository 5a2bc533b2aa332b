"""Wheels and source folders, made by hand, and the registry whose plugins they are."""

from __future__ import annotations

import os
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from drivers.component import Component

PROGRAM = "def main():\n    print({text!r})\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
BACKEND = """
import os, pathlib, time, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    gate = pathlib.Path({gate!r})
    if {gate!r}:
        (gate / "begun").touch()
        deadline = time.monotonic() + 20
        while not (gate / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    name = {wheel!r}
    pathlib.Path(wheel_directory, name).write_bytes(pathlib.Path(__file__).with_name(name).read_bytes())
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(folder: Path, name: str, version: str, **parts: Any) -> Path:
    """A wheel with one module. `scripts` are its programs (all print the version), `entries` other entry points,
    `requires` what it needs, `module` the text of its module, and `lie` makes its RECORD wrong."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": parts.get("module") or PROGRAM.format(text=f"{name} {version}"),
        f"{info}/METADATA": metadata(name, version, parts.get("requires", ())),
        f"{info}/WHEEL": WHEEL,
        f"{info}/entry_points.txt": entry_points(module, parts.get("scripts", ()), parts.get("entries", {})),
    }
    record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items())
    if parts.get("lie"):
        files[f"{module}.py"] += "# not what the RECORD says\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(place, text)
    return path


def metadata(name: str, version: str, requires: Sequence[str]) -> str:
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"


def entry_points(module: str, scripts: Sequence[str], entries: Mapping[str, Mapping[str, str]]) -> str:
    groups = {"console_scripts": dict.fromkeys(scripts, f"{module}:main"), **entries}
    return "".join(f"[{g}]\n" + "".join(f"{n} = {v}\n" for n, v in each.items()) for g, each in groups.items())


def digest(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")


def source(folder: Path, name: str, version: str, gate: Path | None = None, **parts: Any) -> Path:
    """A source folder whose own backend builds it; with `gate`, the build goes on when a file `go` is there."""
    made = wheel(folder, name, version, **parts)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND.format(wheel=made.name, gate=str(gate or "")))
    return folder


def environment(house: Path, cache: Path) -> dict[str, str]:
    """Settings for uv and pip under which they know the wheels in `house` and nothing else."""
    settings = house.with_suffix(".toml")  # there is no variable that says it
    settings.write_text(f'no-index = true\nfind-links = ["{house}"]\n')
    return {
        "UV_CONFIG_FILE": str(settings),
        "UV_CACHE_DIR": str(cache),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(house),
    }


def plugin(name: str = "notes", /, state: str = "active", version: str = "1.0.0", **spec: Any) -> Component:
    """By custom the package `shop-NAME` from the index."""
    package = spec.pop("package", {"name": f"shop-{name}"})
    return Component("Plugin", name, state, {"version": version, "feature": "DATA", "package": package, **spec})
