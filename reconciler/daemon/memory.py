"""What the daemon remembers from one cycle to the next, over restarts and changes of the leader: one note."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from reconciler.daemon.backoff import Failure, Retry
from reconciler.model.address import Address
from reconciler.model.daemon import (
    ComponentStatus,
    Condition,
    ConditionType,
    Suspension,
    SyncMode,
    SyncStatus,
    Verdict,
)
from reconciler.ports import Note, Notes
from reconciler.render.status_json import status_value

KEY = "daemon/status"
_NO_TEXT = re.compile("[\ud800-\udfff]")

MOST_COMPONENTS = 1_000
"""How many components that are not ready are kept one by one."""


class Memory(NamedTuple):
    """`status` is None where no daemon has ever reported."""

    status: SyncStatus | None = None
    retries: Mapping[Address, Retry] = {}
    heals: Mapping[Address, tuple[str, ...]] = {}
    version: int = 0


def recall(notes: Notes) -> Memory:
    """What the notes hold. Raises StateError."""
    note = notes.get(KEY)
    return _read(note) if note else Memory()


def keep(notes: Notes, memory: Memory) -> Memory:
    """Writes `memory` and returns it with its new version. Raises NoteMoved where another daemon wrote meanwhile."""
    if memory.status is None:
        return memory
    few = memory.status._replace(components=memory.status.components[:MOST_COMPONENTS])
    retries = {address: (*retry.failure, retry.due) for address, retry in memory.retries.items()}
    body = _dump({"status": status_value(few), "retries": retries, "heals": memory.heals})
    return memory._replace(version=notes.put(KEY, body, memory.version))


def _dump(value: Mapping[str, Any]) -> bytes:
    """As JSON. What a driver or a file name brings may be no text: that is written with its bytes as escapes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        text = json.dumps(value, ensure_ascii=False)
        return _NO_TEXT.sub(lambda match: f"\\\\u{ord(match[0]):04x}", text).encode()


def _read(note: Note) -> Memory:
    value = orjson.loads(note.body)
    retries = {a: Retry(Failure(count, asked), due) for a, (count, asked, due) in value["retries"].items()}
    heals = {address: tuple(times) for address, times in value["heals"].items()}
    return Memory(_status(value["status"]), retries, heals, note.version)


def _status(value: Mapping[str, Any]) -> SyncStatus:
    plain = {"source", "reporter", "desired", "good", "applied", "trouble", "waits"}
    counts = {"recorded", "failed", "drifted", "suspended", "flapping", "pending"}
    return SyncStatus(
        **{name: value[name] for name in plain | counts},
        mode=SyncMode(value["mode"]),
        verdict=Verdict(value["verdict"]),
        errors=tuple(value["errors"]),
        last_run=value["lastRun"],
        next_run=value["nextRun"],
        applied_at=value["appliedAt"],
        components=tuple(_component(component) for component in value["components"]),
        suspensions=tuple(Suspension(**suspension) for suspension in value["suspensions"]),
    )


def _component(value: Mapping[str, Any]) -> ComponentStatus:
    conditions = tuple(
        Condition(
            ConditionType(one["type"]),
            one["status"] == "True",
            one["reason"],
            one["message"],
            one["lastTransitionTime"],
            one["observedGeneration"],
        )
        for one in value["conditions"]
    )
    return ComponentStatus(value["address"], conditions, value["failures"], value["retry"])
