"""A driver whose world is one JSON file a component, which tests change behind its back.

Below `world/` of the registry stands NAME.json: the `state` and `spec` that are there, the `effects` that verbs had,
and what else the driver is to say: `healthy`, `message`, and `hang`, the name of a method that never answers. Its log
is NAME.log beside it.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reconciler.drivers.site import Site
from reconciler.model.address import parse_address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record, Seen


class Probe:
    name = "probe"
    acts = True
    batches = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def observe(self, records: Sequence[Record]) -> Iterable[Observation]:
        for record in records:
            there = self._read(record.address)
            self._hang(there, "observe")
            if "blind" in there:
                raise OSError(there["blind"])
            recorded, found = record.body().get("spec", {}), there.get("spec", {})
            keys = sorted(key for key in recorded.keys() | found.keys() if recorded.get(key) != found.get(key))
            seen = tuple(Seen(f"spec.{key}", str(recorded.get(key)), str(found.get(key))) for key in keys)
            state = there.get("state", ABSENT)
            if state != record.state or seen:
                words = f"it is {state}" if state != record.state else f"{', '.join(keys)} changed"
                yield Observation(record.address, state, words, seen if state != ABSENT else ())

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._execute(transition)) for transition in transitions]

    def health(self, record: Record) -> Health:
        there = self._read(record.address)
        self._hang(there, "health")
        if "bug" in there:
            raise ZeroDivisionError(there["bug"])
        return Health(there.get("healthy", True), there.get("message", ""))

    def logs(self, record: Record, lines: int, follow: bool) -> Iterator[str]:
        log = self._file(record.address).with_suffix(".log")
        if not log.exists():
            return
        with log.open(encoding="utf-8") as file:
            yield from deque(file, lines)
            while follow:
                if line := file.readline():
                    yield line
                else:
                    time.sleep(0.02)

    def _execute(self, transition: Transition) -> str:
        there = self._read(transition.address)
        if error := there.get("fail", {}).get(transition.verb):
            return str(error)
        spec = (transition.after or {}).get("spec", {})
        effects = [*there.get("effects", []), [transition.verb, spec]]
        file = self._file(transition.address)
        file.parent.mkdir(exist_ok=True)
        if transition.target == ABSENT:
            file.unlink(missing_ok=True)
        else:
            file.write_text(json.dumps({**there, "state": transition.target, "spec": spec, "effects": effects}))
        return ""

    def _read(self, address: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads(self._file(address).read_bytes())
        except FileNotFoundError:
            return {}
        return value

    def _file(self, address: str) -> Path:
        return self._folder / f"{parse_address(address).name}.json"

    def _hang(self, there: dict[str, Any], method: str) -> None:
        while there.get("hang") == method:
            time.sleep(60)


def open_driver(site: Site) -> Probe:
    return Probe(site.root / "world")
