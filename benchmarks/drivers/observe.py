"""How long a look at everything takes: `python -m benchmarks.drivers.observe [COMPONENTS [SERVICES]]`.

Of the components (1,000 if not said) some are Services that run (50), the others Configs, Features and Components in
equal parts. All are applied for real in a temporary folder first, and destroyed in the end. Prints the median of seven
looks, and of the commands that begin with one, without Python's own start.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import orjson

import cli
from benchmarks.timing import median_of
from reconciler.bootstrap import Registry, open_registry
from reconciler.engine.health import check
from reconciler.engine.planning import look

RUNS = 7
_SPECS: dict[str, Callable[[int], dict[str, Any]]] = {
    "Config": lambda n: {"format": "json", "path": f"{n}.json", "values": {"number": n, "name": f"config {n}"}},
    "Feature": lambda n: {"variants": {"on": True, "off": False}, "defaultVariant": "on" if n % 2 else "off"},
    "Component": lambda n: {"type": "library", "owner": f"team-{n % 7}"},
    "Service": lambda n: {"command": ["sleep", "3600"]},
}


def main(size: int = 1_000, services: int = 50) -> None:
    with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
        root = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        os.chdir(_made(root / "registry", size, services))
        try:
            _run("apply", "-auto-approve")
            for name, seconds in _measured(open_registry(Path.cwd(), {}, os.environ)):
                print(f"{name:<28} {seconds * 1000:8.1f} ms", flush=True)
        finally:
            _run("destroy", "-auto-approve")
            os.chdir("/")


def _made(root: Path, size: int, services: int) -> Path:
    """A registry with `size` manifests, of which some are `services`."""
    manifests = root / "registry.d"
    manifests.mkdir(parents=True)
    *others, service = _SPECS
    for number in range(size):
        kind = service if number < services else others[number % len(others)]
        metadata = {"name": f"c{number}"}
        document = {"apiVersion": "ureg/v1", "kind": kind, "metadata": metadata, "spec": _SPECS[kind](number)}
        (manifests / f"c{number}.yaml").write_bytes(orjson.dumps(document))
    return root


def _measured(registry: Registry) -> Iterator[tuple[str, float]]:
    recorded, catalogue, driver_for = registry.store.load(), registry.catalogue, registry.driver_for
    records = recorded.records
    yield f"look at all {len(records):,}", median_of(RUNS, lambda: look(records, catalogue, driver_for))
    for kind in sorted({record.kind for record in records.values()}):
        of = {address: record for address, record in records.items() if record.kind == kind}
        yield f"  at {len(of):,} {kind}", median_of(RUNS, lambda of=of: look(of, catalogue, driver_for))  # type: ignore[misc]
    yield "health of all", median_of(RUNS, lambda: check([*records.values()], catalogue, driver_for, 10))
    yield "drift, with compiling", median_of(RUNS, lambda: _run("drift"))
    yield "plan, with compiling", median_of(RUNS, lambda: _run("plan"))
    yield "plan -refresh=false", median_of(RUNS, lambda: _run("plan", "-refresh=false"))


def _run(*arguments: str) -> None:
    with redirect_stdout(io.StringIO()) as out:
        code = cli.run(arguments)
    if code:
        sys.exit(f"ureg {' '.join(arguments)} ended with {code}\n{out.getvalue()}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
