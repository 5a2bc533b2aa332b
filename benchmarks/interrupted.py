"""An estate whose driver acts on the world, and an apply of it that is killed while everything is under way."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.components import Component
from benchmarks.graph import Node
from benchmarks.measure import WrongExit
from benchmarks.registry import Registry

_PAUSE = 0.005


@dataclass(frozen=True, slots=True)
class Config(Component):
    """A component that stands for a file. The driver takes all that are ready in one call."""

    def manifest(self) -> Mapping[str, Any]:
        number = self.node.number
        return {
            "apiVersion": "ureg/v1",
            "kind": "Config",
            "metadata": {"name": self.name, "labels": {"tier": f"t{number % 3}"}},
            "spec": {
                "format": "json",
                "path": f"app-{self.node.application:05}/{self.name}.json",
                "values": {"limit": number % 50, "timeout": "2s", "endpoint": f"https://api.example.com/{number}"},
            },
        }


def configs(size: int) -> Iterator[Component]:
    return (Config(Node(number, ())) for number in range(size))


def kill_apply(registry: Registry, size: int) -> None:
    """Applies everything and kills that run when all `size` intents are open. Raises WrongExit where it ended first."""
    task = registry.task("apply", "apply", "-auto-approve")
    environment, quiet = task.whole_environment(), subprocess.DEVNULL
    with subprocess.Popen(task.command, cwd=task.cwd, env=environment, stdout=quiet) as process:
        while open_intents(registry.root) < size and process.poll() is None:
            time.sleep(_PAUSE)
        process.kill()
    if (found := open_intents(registry.root)) != size:
        raise WrongExit(f"the apply to be killed left {found} open intents, not {size}")


def open_intents(root: Path) -> int:
    """How many intents of the state wait for an answer; 0 while there is no state."""
    try:
        with closing(sqlite3.connect(f"{(root / '.ureg/state.db').as_uri()}?mode=ro", uri=True)) as connection:
            count: int = connection.execute("SELECT count(*) FROM intent").fetchone()[0]
            return count
    except sqlite3.OperationalError:
        return 0
