"""Judges a registry after a crash, by what stands in its state, in the ledger and on the terminal.

    checker.py ROOT END          writes the end that a run reached to the file END
    checker.py ROOT END CRASHED  checks V1 to V9 against that end, applying once more in between

CRASHED holds the killed command's exit code and output. What does not hold goes to standard output, as JSON, with the
time that the apply after the crash took. The exit code is 1 where something does not hold.

V1 nothing that was told as done is missing; V2 no call of a driver without an intent; V3 every effect once; V4 the
next plan lists exactly the rest, the one after is empty; V5 one writer at a time; V6 the events are whole; V7 no
secret anywhere; V8 exit code and last line are true; V9 one apply mends everything, within seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from reconciler.bootstrap import open_store  # noqa: E402
from reconciler.drivers.atomic import OWN_PREFIX  # noqa: E402
from reconciler.model.history import PastEvent  # noqa: E402
from reconciler.ports import StateStore  # noqa: E402

MARKER = os.environ.get("LEDGER_TOKEN", "")
MOST_SECONDS = 15.0
"""The longest that the apply after a crash may take on a busy machine."""

RECOVERED = "recovered"
"""The verb of the event that settles an intent of a run that died."""

_AGAIN = "echo/"
"""Whose driver does again what it is asked again."""


class Seen(NamedTuple):
    """What the world holds: every Thing with its state, text and verbs, and the other output files."""

    things: dict[str, Any]
    files: dict[str, str]


class Recorded(NamedTuple):
    """What the state holds."""

    records: dict[str, Any]
    events: list[PastEvent]
    pending: list[tuple[str, str, str]]
    """Key, address and verb of every intent without an outcome."""

    runs: list[tuple[str, str]]
    """Id and outcome of every run, newest first."""

    damage: list[str]


class Checker:
    """Judges the registry in the folder `root`; `environment` is the one that its applies have."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._found: list[str] = []

    def look(self, crashed: Mapping[str, Any]) -> tuple[list[str], Recorded]:
        """What does not hold of the state as it is, and what that is."""
        before = recorded(self._root, self._environment)
        self._need(not before.damage, "V6", f"damaged: {before.damage}")
        self._acknowledged(before, crashed)
        self._intended(before)
        self._told_truth(crashed, before)
        return self._found, before

    def check(self, end: Mapping[str, Any], crashed: Mapping[str, Any]) -> tuple[list[str], float]:
        """What does not hold, now and after one more apply, and how long that took, in seconds."""
        (_, before), world = self.look(crashed), seen(self._root)
        began = time.monotonic()
        code, lines, err = self._ureg("apply", "-auto-approve", "-json")
        seconds = time.monotonic() - began
        self._recovered(code, lines, err, seconds)
        self._listed_the_rest(lines, world, before, end)
        after = recorded(self._root, self._environment)
        self._need(not after.damage, "V6", f"damaged: {after.damage}")
        self._same_end(after, end)
        self._died(before, after)
        self._one_writer(after)
        self._settled()
        self._secret()
        return self._found, seconds

    def _need(self, holds: bool, invariant: str, text: str) -> None:
        if not holds:
            self._found.append(f"{invariant} {text}")

    def _acknowledged(self, before: Recorded, crashed: Mapping[str, Any]) -> None:
        done = Counter((event.address, event.verb) for event in before.events)
        for step, count in Counter(told(crashed["out"])).items():
            self._need(done[step] >= count, "V1", f"{step} was told as done and is not recorded")
        for address, state in last_states(before.events).items():
            found = before.records.get(address, {"state": "absent"})["state"]
            self._need(found == state, "V1", f"{address} is recorded as {found}, its last event says {state}")

    def _intended(self, before: Recorded) -> None:
        known = Counter((event.address, event.verb) for event in before.events)
        known += Counter((address, verb) for _, address, verb in before.pending)
        recovered = Counter(event.address for event in before.events if event.verb == RECOVERED)
        unknown: Counter[str] = Counter()
        for (address, _), count in (Counter(calls(self._root, "call")) - known).items():
            unknown[address] += count
        for address, count in (unknown - recovered).items():
            self._need(holds=False, invariant="V2", text=f"{address}: {count} calls of the driver without an intent")

    def _told_truth(self, crashed: Mapping[str, Any], before: Recorded) -> None:
        ended = before.runs[0][1] if before.runs else ""
        if '"Apply complete!' in crashed["out"]:
            self._need(ended == "ok", "V8", f"the apply said that it is complete, its run is {ended!r}")
        if crashed["code"] == 0:
            self._need("Apply complete!" in crashed["out"], "V8", "exit code 0 without a word")
        self._need("Traceback" not in crashed["err"], "V8", f"a traceback: {crashed['err'][-500:]}")

    def _recovered(self, code: int, lines: list[dict[str, Any]], err: str, seconds: float) -> None:
        last = lines[-1]["@message"] if lines else ""
        self._need(code == 0, "V9", f"the next apply ends with {code}: {last} {err[-800:]} {_errors(lines)}")
        self._need(last.startswith(("Apply complete!", "Plan: 0 to add")), "V8", f"its last line is {last!r}")
        self._need(seconds < MOST_SECONDS, "V9", f"it took {seconds:.1f} s")

    def _listed_the_rest(
        self, lines: list[dict[str, Any]], world: Seen, before: Recorded, end: Mapping[str, Any]
    ) -> None:
        planned = {line["change"]["resource"]["addr"] for line in lines if line["type"] == "planned_change"}
        rest = {a for a in {*world.things, *end["things"]} if not alike(world.things.get(a), end["things"].get(a))}
        listed = {address for address in planned if address.startswith(("thing/", _AGAIN))}
        self._need(listed == rest, "V4", f"the next plan lists {sorted(listed)}, what remains is {sorted(rest)}")
        rest = {
            address
            for address in {*before.records, *end["records"]}
            if address.startswith("component/") and before.records.get(address) != end["records"].get(address)
        }
        listed = {address for address in planned if address.startswith("component/")}
        self._need(listed == rest, "V4", f"the next plan lists {sorted(listed)}, what remains is {sorted(rest)}")

    def _same_end(self, after: Recorded, end: Mapping[str, Any]) -> None:
        world = seen(self._root)
        for address, record in end["records"].items():
            found = after.records.get(address)
            self._need(found == record, "V4", f"{address} ends as {found} instead of {record}")
        extra = sorted(set(after.records) - set(end["records"]))
        self._need(not extra, "V4", f"{extra} are recorded and should be gone")
        self._need(world.files == end["files"], "V4", f"the files end as {world.files} instead of {end['files']}")
        for address in sorted({*world.things, *end["things"]}):
            found, wanted = world.things.get(address), end["things"].get(address)
            self._need(effects(address, found) == effects(address, wanted), "V3", f"{address}: {found}, not {wanted}")
        for what in ("again", "astray"):
            strict = [call for call in calls(self._root, what) if not call[0].startswith(_AGAIN)]
            self._need(not strict, "V3", f"the driver was asked {what}: {strict}")

    def _died(self, before: Recorded, after: Recorded) -> None:
        outcomes = dict(after.runs)
        self._need(not after.pending, "V2", f"still open: {after.pending}")
        for run, outcome in before.runs:
            if not outcome and run != after.runs[0][0]:
                self._need(outcomes[run] == "died", "V8", f"the killed run {run} is {outcomes[run]!r}")
        # What died after its last outcome left nothing to mend; the next run says so.
        open_ones = [run for run, outcome in after.runs[1:] if not outcome]
        self._need(not open_ones, "V8", f"runs without an outcome: {open_ones}")

    def _one_writer(self, after: Recorded) -> None:
        blocks = [run for run, _ in groupby(event.run for event in after.events if event.run)]
        self._need(len(blocks) == len(set(blocks)), "V5", f"the events of several runs are mixed: {blocks}")
        numbers = [event.number for event in after.events]
        self._need(numbers == list(range(1, len(numbers) + 1)), "V6", "the numbers of the events have gaps")
        serials = [event.serial for event in after.events]
        self._need(serials == sorted(serials), "V5", "the serials of the events go back")

    def _settled(self) -> None:
        code, lines, err = self._ureg("plan", "-detailed-exitcode", "-json")
        changes = [line["@message"] for line in lines if line["type"] == "planned_change"]
        self._need(code == 0 and not changes, "V4", f"the plan after: {code} {changes} {err[-500:]} {_errors(lines)}")
        code, _, err = self._ureg("events", "verify")
        self._need(code == 0, "V6", f"events verify ends with {code}: {err[-500:]}")

    def _secret(self) -> None:
        for path in sorted(self._root.parent.rglob("*")):
            if path.is_file() and MARKER and MARKER.encode() in path.read_bytes():
                self._need(holds=False, invariant="V7", text=f"{path} holds a secret")

    def _ureg(self, *args: str) -> tuple[int, list[dict[str, Any]], str]:
        done = subprocess.run(
            [sys.executable, HERE.parent.parent / "cli.py", *args],
            cwd=self._root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self._environment,
        )
        self._need(MARKER not in done.stdout + done.stderr or not MARKER, "V7", f"{args} writes a secret")
        self._need("Traceback" not in done.stderr and done.returncode != 3, "V8", f"{args}: {done.stderr[-800:]}")
        return done.returncode, json_lines(done.stdout), done.stderr


def recorded(root: Path, environment: Mapping[str, str]) -> Recorded:
    """What the state holds. A state in a file is read from a copy, so that looking repairs nothing."""
    if place := environment.get("UREG_STATE"):
        return _recorded(open_store(root, place))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(root / ".ureg", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("out"))
        return _recorded(open_store(Path(folder), "state.db"))


def _recorded(store: StateStore) -> Recorded:
    records = {
        address: {
            "state": record.state,
            "status": record.status.value,
            "fingerprint": record.fingerprint,
            "manifest": record.manifest.decode(),
            "references": record.references.decode(),
            "error": record.error,
        }
        for address, record in store.load().records.items()
    }
    pending = [(intent.key, intent.address, intent.verb) for intent in store.pending()]
    runs = [(past.run.id, past.outcome) for past in store.runs()]
    damage = [f"{damage.where}: {damage.what}" for damage in store.verify()]
    events = list(store.events())
    store.close()
    return Recorded(records, events, pending, runs, damage)


def seen(root: Path) -> Seen:
    out = root / ".ureg/out"
    things = {}
    for path in sorted((out / "ledger/world").glob("*.json")):
        value = json.loads(path.read_bytes())
        things[path.stem.replace(".", "/", 1)] = {**value, "effects": [effect[1] for effect in value["effects"]]}
    files = {
        path.relative_to(out).as_posix(): path.read_text()
        for path in sorted(out.rglob("*"))
        if path.is_file() and "ledger" not in path.relative_to(out).parts and not path.name.startswith(OWN_PREFIX)
    }
    return Seen(things, files)


def calls(root: Path, what: str) -> list[tuple[str, str]]:
    """Address and verb of every line of this sort in the ledger."""
    path = root / ".ureg/out/ledger/calls"
    lines = json_lines(path.read_text()) if path.exists() else []
    return [(line["address"], line["verb"]) for line in lines if line["what"] == what]


def alike(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two Things are in the same state with the same text."""
    nothing = {"state": "absent", "text": ""}
    one, other = one or nothing, other or nothing
    return one["state"] == other["state"] and (one["state"] == "absent" or one["text"] == other["text"])


def effects(address: str, thing: Mapping[str, Any] | None) -> tuple[str, list[str]]:
    """A Thing's state and the verbs that had an effect on it; one that was repeated counts once where it may be."""
    if thing is None:
        return "absent", []
    verbs = list(thing["effects"])
    if address.startswith(_AGAIN):
        verbs = [verb for verb, _ in groupby(verbs)]
    return thing["state"], verbs


def told(out: str) -> Iterator[tuple[str, str]]:
    """Address and verb of every step that a command told as done or failed."""
    for line in json_lines(out):
        if line["type"] in ("apply_complete", "apply_progress", "apply_errored"):
            yield line["hook"]["resource"]["addr"], line["hook"]["ureg"]["verb"]


def last_states(events: list[PastEvent]) -> dict[str, str]:
    return {event.address: event.state for event in events if event.address}


def json_lines(text: str) -> list[dict[str, Any]]:
    """Every whole line that is a JSON object; a killed program may leave half of one."""
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _errors(lines: list[dict[str, Any]]) -> list[str]:
    return [str(line["diagnostic"]) for line in lines if line["type"] == "diagnostic"]


def main(root: Path, end: Path, crashed: Path | None = None) -> int:
    if crashed is None:
        world = seen(root)
        end.write_text(
            json.dumps({"records": recorded(root, os.environ).records, "things": world.things, "files": world.files})
        )
        return 0
    found, seconds = Checker(root, os.environ).check(json.loads(end.read_text()), json.loads(crashed.read_text()))
    sys.stdout.write(json.dumps({"violations": found, "seconds": seconds}))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
