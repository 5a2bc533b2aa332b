"""What installing and observing plugins takes: `python -m benchmarks.drivers.plugins`.

The plugin is a wheel with a program and one dependency, both made here and found in a folder: no network is used. The
cache of uv is one of the benchmark's own, and filled by a first installation that is not counted.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import orjson

from benchmarks.timing import median_of
from reconciler.drivers.loading import load_driver
from reconciler.drivers.site import Site
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.record import Record, Status
from reconciler.ports import Driver

RUNS = 7
MANY = 100
MODULES = 40
"""In the plugin's own package."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
        root = Path(folder).resolve()
        (root / "house").mkdir()
        settings = root / "uv.toml"
        settings.write_text(f'no-index = true\nfind-links = ["{root / "house"}"]\n')
        os.environ["UV_CONFIG_FILE"] = str(settings)
        os.environ["UV_CACHE_DIR"] = str(root / "cache")
        for name, seconds in measured(root):
            print(f"{name:<36} {seconds * 1000:8.1f} ms")


def measured(root: Path) -> Iterator[tuple[str, float]]:
    """The median seconds of each task."""
    _wheel(root / "house", "bench-needed", "1.0.0")
    for version in ("1.0.0", "1.1.0"):
        _wheel(root / "house", "bench-plugin", version, needs="bench-needed")
    driver = load_driver("venv", Site.at(root))
    _apply(driver, "first", ABSENT, "installed")
    _apply(driver, "first", "installed", "installed", "1.1.0")
    names = iter(f"p{number}" for number in range(RUNS))
    yield "install, cached", median_of(RUNS, lambda: _apply(driver, next(names), "registered", "installed"))
    names = iter(f"p{number}" for number in range(RUNS))
    yield "upgrade, cached", median_of(RUNS, lambda: _apply(driver, next(names), "installed", "installed", "1.1.0"))
    for number in range(RUNS):
        _apply(driver, f"p{number}", "installed", ABSENT)
    yield "activate", median_of(RUNS, lambda: _apply(driver, "first", "installed", "active", "1.1.0"))
    _apply(driver, "first", "active", "inactive", "1.1.0")
    for number in range(MANY):
        _apply(driver, f"q{number}", "registered", "installed")
    records = [_record(f"q{number}") for number in range(MANY)]
    yield f"observe {MANY}", median_of(RUNS, lambda: _observe(driver, records))
    yield "health of one", median_of(RUNS, lambda: _health(driver, records[0]))


def _manifest(name: str, version: str) -> bytes:
    spec = {"version": version, "feature": "DATA", "package": {"name": "bench-plugin"}}
    return orjson.dumps({"apiVersion": "ureg/v1", "kind": "Plugin", "metadata": {"name": name}, "spec": spec})


def _apply(driver: Driver, name: str, source: str, target: str, version: str = "1.0.0") -> None:
    manifest = b"" if target == ABSENT else _manifest(name, version)
    transition = Transition("run/1", f"plugin/{name}", "Plugin", "verb", source, target, manifest, manifest)
    (told,) = driver.execute([transition])
    if told.error:
        sys.exit(told.error)


def _record(name: str) -> Record:
    return Record(f"plugin/{name}", "Plugin", "installed", Status.OK, "f", _manifest(name, "1.0.0"))


def _observe(driver: Driver, records: list[Record]) -> None:
    for seen in driver.observe(records):
        sys.exit(seen.drift)


def _health(driver: Driver, record: Record) -> None:
    if not driver.health(record).healthy:
        sys.exit(driver.health(record).message)


def _wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    package = name.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    files = {f"{package}/m{number}.py": f"NUMBER = {number}\n" for number in range(MODULES)}
    files[f"{package}/__init__.py"] = f"def main():\n    print({version!r})\n"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{info}/METADATA"] += f"Requires-Dist: {needs}\n" if needs else ""
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {package}:main\n"
    record = "".join(f"{path},sha256={_hash(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def _hash(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")


if __name__ == "__main__":
    main()
