"""A bare repository that is pushed to, the checkout that daemons keep true to it, and the daemons."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from repository import ROOT, Repository
from soak import desired

CRASH = ROOT / "tests/crash"

SETTINGS: Mapping[str, object] = {
    "guards": {"maxDeletes": 1000, "maxDeletePercent": 100},
    "watch": {
        "branch": "main",
        "remote": "origin",
        "fetch": {"interval": "1s"},
        "backoff": {"base": "1s", "factor": 2, "cap": "4s"},
        "shutdownTimeout": "10s",
    },
}
"""Deletes are part of the trouble here, and failures end sooner than the soak."""


class Daemon:
    """A `ureg watch` that runs, or is stopped, or has ended. `memory` holds its resident MiB, second by second."""

    def __init__(self, root: Path, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "cli.py"), "watch", "-auto-approve", "-json"],
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )
        self.memory: list[float] = []

    def sample(self) -> None:
        with suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            self.memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def end(self) -> int:
        """Ends it as an operator would, and returns its exit code."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return self.process.wait(30)

    def growth(self) -> float:
        """By how many MiB the last quarter of its life is above the second."""
        quarter = len(self.memory) // 4
        return median(self.memory[-quarter:]) - median(self.memory[quarter : 2 * quarter]) if quarter else 0.0


class Estate:
    """In `folder`: `bare`, the author's clone, and the checkout `root` that every daemon works in."""

    def __init__(self, folder: Path, made: desired.Desired, database: str = "") -> None:
        self.folder = folder
        self.root = folder / "root"
        self.orders = folder / "orders.json"
        self.log = folder / "log"
        self.desired = made
        self._author = Repository(folder / "author", folder / "cache")
        site = folder / "site"
        shutil.copytree(CRASH / "ledger", site, ignore=shutil.ignore_patterns("__pycache__"))
        self.environment = {
            **self._author.environment,
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
            "LEDGER_ORDERS": str(self.orders),
            **({"UREG_STATE": database} if database else {}),
        }
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder / "bare"], check=True)
        self._clone(self._author.root)
        self._found()
        self._clone(self.root)
        self._first = dict(self.desired.first())

    def begin(self) -> None:
        """Pushes the first whole registry."""
        self.push(self._first)

    def push(self, files: Mapping[str, str | None]) -> None:
        """Commits `files`, None for one that goes, and pushes them."""
        desired.write(self._author.root, files)
        self._author.commit()
        self._author.git("push", "-q", "origin", "HEAD:main")

    def order(self, **orders: object) -> None:
        """Tells the drivers what to do from now on."""
        unfinished = self.orders.with_suffix(".new")
        unfinished.write_text(json.dumps(orders))
        unfinished.rename(self.orders)

    def daemon(self, database: str = "") -> Daemon:
        """Starts one, if need be with another way to the database."""
        more = {"UREG_STATE": database} if database else {}
        return Daemon(self.root, {**self.environment, **more}, self.log)

    def ureg(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "cli.py", *args],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            timeout=120,
        )

    def recorded(self) -> dict[str, tuple[str, str]]:
        """State and text of every component, as the state has them; of one that failed last, that it did."""
        found = json.loads(self.ureg("state", "pull").stdout)
        return {each["address"]: (_state(each), _text(each.get("spec") or {})) for each in found["resources"]}

    def world(self) -> dict[str, tuple[str, str]]:
        """State and text of everything that the ledger drivers made and did not take away again."""
        things = {address: (thing["state"], thing["text"]) for address, thing in self.things().items()}
        return {address: thing for address, thing in things.items() if thing[0] != "absent"}

    def things(self) -> dict[str, dict[str, Any]]:
        files = (self.root / ".ureg/out/ledger/world").glob("*.json")
        return {path.stem.replace(".", "/", 1): json.loads(path.read_bytes()) for path in files}

    def calls(self, what: str) -> list[dict[str, str]]:
        """What the drivers noted of that sort: "call", "again" or "astray"."""
        try:
            lines = (self.root / ".ureg/out/ledger/calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [call for call in map(json.loads, lines) if call["what"] == what]

    def story(self, address: str) -> str:
        """All that is known of what happened to a component, for people."""
        calls = [str(call) for what in ("call", "again", "astray") for call in self.calls(what)]
        effects = self.things().get(address, {}).get("effects", [])
        told = [line for line in calls if f"'{address}'" in line]
        return "\n".join([*told, *map(str, effects), self.ureg("history", address).stdout])

    def await_calm(self, seconds: float) -> float:
        """Waits until all that is wanted is recorded; returns how long that took."""
        began = time.monotonic()
        while self.recorded() != self.desired.wanted:
            assert time.monotonic() - began < seconds, self.differences()
            time.sleep(0.3)
        return time.monotonic() - began

    def differences(self) -> str:
        recorded, wanted = self.recorded(), self.desired.wanted
        wrong = [address for address in {**recorded, **wanted} if recorded.get(address) != wanted.get(address)]
        told = [f"{address}: {recorded.get(address)}, wanted {wanted.get(address)}" for address in sorted(wrong)[:10]]
        return "\n".join([f"{len(wrong)} differ", *told, self.log.read_text(errors="replace")[-3000:]])

    def _clone(self, target: Path) -> None:
        subprocess.run(["git", "clone", "-q", self.folder / "bare", target], check=True, capture_output=True)

    def _found(self) -> None:
        self.push({".gitignore": "/.ureg/\n", "ureg.yaml": json.dumps(SETTINGS), **desired.schemas()})


def _state(resource: Mapping[str, str]) -> str:
    return resource["state"] if resource["status"] == "ok" else resource["status"]


def _text(spec: Mapping[str, str]) -> str:
    return spec.get("text") or spec.get("owner", "")
