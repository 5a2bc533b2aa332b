"""What a program or a service that does a driver's work is told, and what counts as its answer; both are JSON.

`docs/drivers/exec-http.md` describes it for whoever writes the other side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from reconciler.drivers.secrets import Secrets, mark
from reconciler.model.address import Address
from reconciler.model.outcome import Health, Transition
from reconciler.model.record import Observation, Record, Seen

VERSION = "ureg.driver/1"
MOST_BYTES = 1024 * 1024
"""The longest answer that is read."""
_LONGEST = 500


class Failed(Exception):
    """Why there is no answer, or no good one, in words for the user."""


def to_execute(transition: Transition, secrets: Secrets) -> dict[str, Any]:
    """What is told of a transition. The secrets that the new manifest names are filled in. Raises Unresolved."""
    return {
        "protocol": VERSION,
        "operation": "execute",
        "key": transition.key,
        "address": transition.address,
        "kind": transition.kind,
        "verb": transition.verb,
        "source": transition.source,
        "target": transition.target,
        "before": transition.before,
        "after": secrets.fill(mark(transition.after)),
    }


def to_look(operation: str, records: Sequence[Record]) -> dict[str, Any]:
    """What is told of components that are asked about. Secrets stay references."""
    components = [
        {"address": record.address, "kind": record.kind, "state": record.state, "manifest": record.body()}
        for record in records
    ]
    return {"protocol": VERSION, "operation": operation, "components": components}


def read_answer(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, which may be empty for one that says nothing. Raises Failed."""
    if len(data) > MOST_BYTES:
        raise Failed(f"its answer is larger than {MOST_BYTES // 1024} KiB")
    if not data.strip():
        return {}
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Failed(f"its answer is not JSON: {first_line(data)}") from None
    if not isinstance(answer, dict):
        raise Failed(f"its answer is not a JSON object: {first_line(data)}")
    return answer


def error_of(answer: Mapping[str, Any]) -> str:
    """The error that an answer tells, "" for none. Raises Failed."""
    return _text(answer, "error")


def observations(answer: Mapping[str, Any], known: Mapping[Address, Record]) -> list[Observation]:
    """What an answer says is there, of the components that are `known`. Raises Failed."""
    told = answer.get("components", [])
    if not isinstance(told, list):
        raise Failed('"components" of its answer is not a list')
    seen = []
    for one in told:
        if not isinstance(one, dict) or one.get("address") not in known:
            raise Failed('its answer has "components" that it was not asked about')
        seen.append(observation(one, known[one["address"]]))
    return seen


def observation(told: Mapping[str, Any], record: Record) -> Observation:
    """What is told of one component; what is left out is as recorded. Raises Failed."""
    pieces = told.get("seen", [])
    if not isinstance(pieces, list) or not all(isinstance(piece, dict) for piece in pieces):
        raise Failed('"seen" of its answer is not a list of mappings')
    seen = tuple(Seen(*(_text(piece, key) for key in ("field", "recorded", "observed"))) for piece in pieces)
    return Observation(record.address, _text(told, "state") or record.state, _text(told, "drift"), seen)


def health_of(answer: Mapping[str, Any]) -> Health:
    """Raises Failed."""
    healthy = answer.get("healthy")
    if not isinstance(healthy, bool):
        raise Failed('its answer does not say whether it is "healthy", true or false')
    return Health(healthy, _text(answer, "message"))


def first_line(data: bytes) -> str:
    """The first line of `data` that says something, shortened; "(nothing)" where there is none."""
    lines = data[: 4 * _LONGEST].decode(errors="replace").strip().splitlines()
    text = lines[0].strip() if lines else "(nothing)"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key, "")
    if not isinstance(text, str):
        raise Failed(f'"{key}" of its answer is not a text')
    return text[: 4 * _LONGEST]
