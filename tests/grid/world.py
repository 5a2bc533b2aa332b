"""A registry with its state in a real PostgreSQL, and agents that are real processes with folders of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from repository import ROOT, Repository
from state.postgres_server import PostgresServer

SITE = ROOT / "tests" / "crash" / "ledger"
LEASE, SILENT = 2, 4
SETTINGS = f"drivers: {{grid: {{leaseSeconds: {LEASE}, silentSeconds: {SILENT}}}}}\n"
JOB: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "job.schema.json",
    "title": "Job",
    "description": "Something whose effects can be counted.",
    "x-ureg": {
        "kind": "Job",
        "plural": "jobs",
        "driver": "ledger_again",
        "lifecycle": {
            "states": ["there"],
            "default": "there",
            "verbs": {
                "make": {"from": "absent", "to": "there", "timeout": "20s"},
                "update": {"from": "there", "timeout": "20s"},
                "poke": {"from": "there", "onDemand": True, "timeout": "20s"},
                "unmake": {"from": "there", "to": "absent", "timeout": "20s"},
            },
        },
    },
    "type": "object",
    "required": ["apiVersion", "kind", "metadata"],
    "properties": {
        "apiVersion": {"description": "The version.", "const": "ureg/v1"},
        "kind": {"description": "The kind.", "const": "Job"},
        "metadata": {"description": "Who it is.", "$ref": "common.schema.json#/$defs/metadata"},
        "spec": {
            "description": "What it is.",
            "type": "object",
            "properties": {
                "text": {"description": "Its text.", "type": "string"},
                "token": {"description": "Its secret.", "$ref": "common.schema.json#/$defs/secretRef"},
                "node": {
                    "description": "Where it is.",
                    "$ref": "common.schema.json#/$defs/node",
                    "x-node": True,
                    "x-immutable": True,
                },
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `condition` gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return found


class Agent:
    """A process of `ureg agent` on a machine of its own, which is a folder."""

    def __init__(self, node: str, root: Path, environment: Mapping[str, str], *more: str) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        (root / "ureg.yaml").write_text(SETTINGS)
        self.orders_file = root / "orders.json"
        self._log = (root / f"log-{os.urandom(4).hex()}").open("wb")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, ROOT / "cli.py", "agent", "-node", node, *more],
            cwd=root,
            env={**environment, "LEDGER_ORDERS": str(self.orders_file)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text()

    def order(self, **orders: object) -> None:
        unfinished = self.orders_file.with_suffix(".new")
        unfinished.write_text(json.dumps(orders))
        unfinished.replace(self.orders_file)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kills it at once, however it is, with whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        self.kill()
        self._log.close()

    def calls(self) -> list[dict[str, str]]:
        """What the drivers of its machine were called for, or did again."""
        path = self.root / ".ureg/out/ledger/calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def effects(self, address: str) -> list[list[Any]]:
        """Every effect that a component ever had on its machine."""
        path = self.root / f".ureg/out/ledger/world/{address.replace('/', '.')}.json"
        found: list[list[Any]] = json.loads(path.read_text())["effects"] if path.exists() else []
        return found

    def is_there(self, address: str) -> bool:
        path = self.root / f".ureg/out/ledger/world/{address.replace('/', '.')}.json"
        return path.exists() and json.loads(path.read_text())["state"] == "there"


class World:
    """The registry `repository`, whose state is at `url` in `server`."""

    def __init__(self, repository: Repository, server: PostgresServer, folder: Path) -> None:
        self.repository = repository
        self.server = server
        self.url = server.new_database()
        self._folder = folder
        self._agents: list[Agent] = []
        repository.environment |= {
            "UREG_STATE": self.url,
            "PYTHONPATH": os.pathsep.join([str(SITE), str(ROOT)]),
            "LEDGER_ORDERS": str(folder / "orders.json"),
        }
        repository.write("ureg.yaml", SETTINGS)
        repository.write("schemas/job.schema.json", json.dumps(JOB))
        repository.write(".gitignore", "/.ureg/\n")

    def agent(self, node: str, *more: str, machine: str = "", **environment: str) -> Agent:
        """Starts an agent; two of one `machine` share its folder. Returns at once."""
        made = Agent(node, self._folder / (machine or node), {**self.repository.environment, **environment}, *more)
        self._agents.append(made)
        return made

    def node(self, name: str, state: str = "enabled", **spec: object) -> None:
        self.write("GridNode", name, state=state, spec=spec)

    def job(self, name: str, node: object = None, **spec: object) -> None:
        self.write("Job", name, spec={**spec, **({"node": node} if node else {})})

    def write(self, kind: str, name: str, **rest: object) -> None:
        document = {"apiVersion": "ureg/v1", "kind": kind, "metadata": {"name": name}, **rest}
        self.repository.write(f"registry.d/{kind.lower()}-{name}.yaml", json.dumps(document))

    def remove(self, kind: str, name: str) -> None:
        (self.repository.root / f"registry.d/{kind.lower()}-{name}.yaml").unlink()

    def apply(self, code: int = 0, *more: str) -> str:
        """What apply writes, on both streams."""
        self.repository.commit()
        done = self.repository.run("apply", "-auto-approve", *more)
        assert done.returncode == code, f"{done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def record(self, address: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.repository.ureg("get", address, "-o", "json"))
        return found

    def wait_for_silence(self, node: str) -> None:
        """Waits until the agents of `node` count as silent."""
        since = f"SELECT max(seen) < clock_timestamp() - interval '{SILENT} s' FROM agent WHERE node = '{node}'"
        until(lambda: self.query(since) == [(True,)])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the tables of the grid."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET search_path = ureg_grid")
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        for agent in self._agents:
            agent.close()
