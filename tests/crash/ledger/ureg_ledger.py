"""A driver whose effects can be counted: a distribution of its own, found through the entry points `ureg.drivers`.

Below `<place>/ledger` it keeps the list of calls, one line each, synced before anything else happens, and the world,
one file a component, which a rename changes: its state, its text, and every effect that it ever had. What a file
order says (delay, fail, hang, die) is carried out for the verbs that it names.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reconciler.drivers.secrets import Secrets
from reconciler.drivers.site import Site
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record

ORDERS = "LEDGER_ORDERS"
"""The environment variable that names the file with the orders."""

POINTS = ("called", "noted", "prepared", "done")
"""Where a `die` order can strike: before the call is noted, after that, before the effect, and after it."""

_NOTHING: dict[str, Any] = {"state": ABSENT, "text": "", "effects": []}


class _Ledger:
    """What both drivers share. `once` says that nothing may be done twice."""

    acts = True
    batches = False

    def __init__(self, name: str, place: Path, secrets: Secrets, *, once: bool) -> None:
        self.name = name
        self._secrets = secrets
        self._folder = place / "ledger"
        self._once = once
        self._passed: dict[str, int] = {}
        self._mutex = threading.Lock()

    def observe(self, records: Sequence[Record]) -> Iterable[Observation]:
        for record in records:
            there = self._read(record.address)
            wanted = record.body().get("spec", {}).get("text", "")
            if there["state"] != record.state:
                yield Observation(record.address, there["state"], f"it is {there['state']}")
            elif there["text"] != wanted and record.state != ABSENT:
                yield Observation(record.address, there["state"], f"text is {there['text']!r}, should be {wanted!r}")

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._execute(transition)) for transition in transitions]

    def health(self, record: Record) -> Health:
        return Health(healthy=not list(self.observe([record])))

    def logs(self, record: Record, lines: int, follow: bool) -> Sequence[str]:
        return [" ".join(map(str, effect)) for effect in self._read(record.address)["effects"]]

    def _execute(self, transition: Transition) -> str:
        orders = _orders()
        token = self._token(transition)
        call = f"{transition.address} {transition.verb}"
        self._point("called", orders)
        self._note(transition, "call")
        self._point("noted", orders)
        time.sleep(orders.get("delay", 0))
        while call in _orders().get("hang", ()):
            time.sleep(0.02)
        if call in _orders().get("fail", ()):
            return f"it was ordered to fail, and tells its secret {token}"
        error = self._change(transition, orders)
        self._point("done", orders)
        return error

    def _change(self, transition: Transition, orders: dict[str, Any]) -> str:
        there = self._read(transition.address)
        after = _after(there, transition)
        keys = [effect[0] for effect in there["effects"]]
        if transition.key in keys or (after["state"], after["text"]) == (there["state"], there["text"]):
            self._note(transition, "again")
            if self._once:
                return f"{transition.verb} was done before, and this driver does nothing twice"
        elif there["state"] != transition.source:
            self._note(transition, "astray")
            return f"it is {there['state']} and not {transition.source}"
        self._point("prepared", orders)
        self._write(transition.address, after)
        return ""

    def _token(self, transition: Transition) -> str:
        spec = (transition.after or transition.before or {}).get("spec", {})
        return self._secrets.read(spec["token"]["secretRef"]) if "token" in spec else ""

    def _note(self, transition: Transition, what: str) -> None:
        """Adds a line to the list of calls, in one write."""
        self._folder.mkdir(parents=True, exist_ok=True)
        line = {"what": what, "pid": os.getpid(), **_call(transition)}
        descriptor = os.open(self._folder / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _sync(self._folder)

    def _read(self, address: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads(self._file(address).read_bytes())
        except FileNotFoundError:
            return _NOTHING
        return value

    def _write(self, address: str, value: dict[str, Any]) -> None:
        path = self._file(address)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            file.write(json.dumps(value).encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        _sync(path.parent)
        _sync(self._folder)

    def _file(self, address: str) -> Path:
        return self._folder / "world" / f"{address.replace('/', '.')}.json"

    def _point(self, name: str, orders: dict[str, Any]) -> None:
        """Dies here where it was ordered to at this passing."""
        with self._mutex:
            self._passed[name] = self._passed.get(name, 0) + 1
            if orders.get("die") == [name, self._passed[name]]:
                os.kill(os.getpid(), signal.SIGKILL)


class Strict:
    """Refuses to do anything twice."""

    @staticmethod
    def open_driver(site: Site) -> _Ledger:
        return _Ledger("ledger", site.output, site.secrets, once=True)


class Idempotent:
    """Does again what it is asked again."""

    @staticmethod
    def open_driver(site: Site) -> _Ledger:
        return _Ledger("ledger_again", site.output, site.secrets, once=False)


def _after(there: dict[str, Any], transition: Transition) -> dict[str, Any]:
    """The world after the verb. A new text comes with a verb that creates or that keeps the state."""
    brings = transition.source in {ABSENT, transition.target}
    new = (transition.after or {}).get("spec", {}).get("text", "")
    return {
        "state": transition.target,
        "text": new if brings else there["text"],
        "effects": [*there["effects"], [transition.key, transition.verb, transition.target, os.getpid()]],
    }


def _call(transition: Transition) -> dict[str, str]:
    fields = ("key", "address", "verb", "source", "target")
    return {name: getattr(transition, name) for name in fields}


def _orders() -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(Path(os.environ[ORDERS]).read_bytes())
    except (KeyError, FileNotFoundError):
        return {}
    return value


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
