"""Makes a state with a long past, through the store as an apply would: `python -m benchmarks.past FILE SIZE RUNS`.

In a process of its own, since one that is measured is never shown smaller than the one that started it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import orjson

from benchmarks.components import Component, components
from reconciler.compiler.manifest import fingerprint
from reconciler.model.address import make_address
from reconciler.model.history import LockInfo, Run
from reconciler.model.record import Record, Status
from reconciler.ports import Write
from reconciler.state.sqlite import SqliteStore

_PART = 10_000
_STATES = ("enabled", "disabled")


def fill(path: Path, size: int, runs: int) -> None:
    """Leaves a state of `size` components at `path`, each of which every one of `runs` runs changed."""
    store = SqliteStore(path)
    records = [_record(component) for component in components(size)]
    for number in range(runs):
        state, commit = _STATES[number % len(_STATES)], f"{number:040x}"
        with store.write(LockInfo(commit, "apply", "ada@laptop", os.getpid()), 0) as writer:
            writer.begin(Run(commit, "apply", "ada@laptop", commit, commit))
            for start in range(0, size, _PART):
                part = (each._replace(state=state, commit=commit) for each in records[start : start + _PART])
                writer.settle([Write(each.address, each, "enable") for each in part])
            writer.finish("ok")


def _record(component: Component) -> Record:
    value = component.manifest()
    manifest = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return Record(
        address=make_address(value["kind"], component.name),
        kind=value["kind"],
        state="",
        status=Status.OK,
        fingerprint=fingerprint(manifest),
        manifest=manifest,
        references=orjson.dumps(value["metadata"].get("dependsOn", [])),
        source=f"{component.path}:1",
    )


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
