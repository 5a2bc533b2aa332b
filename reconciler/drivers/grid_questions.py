"""What an agent can be asked: the calls of a driver, as bytes that go through the database and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record, Seen, Status
from reconciler.ports import Driver

EXECUTE, OBSERVE, HEALTH, LOGS = "execute", "observe", "health", "logs"
QUEUE = "ureg-node-"
"""What the name of a node's queue begins with; the node's name follows."""
TASK = "carry_out"
"""The name of the queue's task that answers a question."""
LEFT = b'{"left":true}'
"""Stands for the answer to what was left for an agent that is not there."""
LOOK = 60.0
"""How long, in seconds, an agent may take to look at something."""
_GRACE, _MOST_GRACE = 0.05, 3.0
"""The share of its limit, and the most seconds, by which a driver may be late: less than those who wait for it wait."""


class Question(NamedTuple):
    """A call of a driver on a node.

    `id` names the operation: whoever asks twice gets the answer of the first time. Of questions with one `lock`, one is
    carried out at a time, in their order. `timeout` is in seconds, 0 for none. `may_be_left` says that where nobody is
    there, it counts as done, and is done when somebody comes.
    """

    id: str
    node: str
    driver: str
    what: str
    body: bytes
    lock: str | None = None
    timeout: float = 0.0
    may_be_left: bool = False


class Work(NamedTuple):
    """A transition for an agent; `leaves` says that it takes the component away from the node, which is also done
    where the node takes no new work."""

    transition: Transition
    leaves: bool


def pack_work(work: Sequence[Work]) -> bytes:
    return _pack([{**each.transition._asdict(), "leaves": each.leaves} for each in work])


def pack_records(records: Sequence[Record]) -> bytes:
    return _pack([record._asdict() for record in records])


def pack_logs(record: Record, lines: int) -> bytes:
    return _pack([record._asdict(), lines])


def timeout_of(timeouts: Sequence[float]) -> float:
    """The longest of `timeouts`; 0 where one of them is none."""
    return max(timeouts, default=0.0) if all(timeouts) else 0.0


def time_limit(what: str, body: bytes) -> float | None:
    """For how many seconds a driver may be waited for; it is told a little less. None is no limit."""
    timeouts = [row["timeout"] for row in orjson.loads(body)] if what == EXECUTE else [LOOK]
    limit = timeout_of(timeouts)
    return limit + min(limit * _GRACE, _MOST_GRACE) if limit else None


def subjects(what: str, body: bytes) -> set[str]:
    """The addresses of the components that something is done to."""
    return {row["address"] for row in orjson.loads(body)} if what == EXECUTE else set()


def reply(driver_for: Callable[[], Driver], what: str, body: bytes, refusal: str) -> bytes:
    """What the driver answers, on the node. `refusal` says why the node takes no new work, "" where it does. Never
    raises."""
    asked = orjson.loads(body)
    try:
        value = _REPLIES[what](driver_for(), asked, refusal)
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes the answer
        return failure(str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}")
    return _pack({"answer": value})


def failure(why: str) -> bytes:
    """The answer that there is none."""
    return _pack({"failure": why})


def answered(reply: bytes) -> Any:
    """What was answered. Raises OSError with the reason where there is no answer."""
    value = orjson.loads(reply)
    if "failure" in value:
        raise OSError(value["failure"])
    return value["answer"]


def report(what: str, body: bytes, reply: bytes) -> Iterator[str]:
    """What was done, in a line for each transition."""
    answer = orjson.loads(reply)
    for number, row in enumerate(orjson.loads(body) if what == EXECUTE else ()):
        error = answer["failure"] if "failure" in answer else answer["answer"][number]
        yield f"{row['address']}: {row['verb']}{f' failed: {error}' if error else ''}"


def observation(row: Sequence[Any]) -> Observation:
    address, state, drift, seen = row
    return Observation(address, state, drift, tuple(Seen(*piece) for piece in seen))


def _execute(driver: Driver, asked: Sequence[Mapping[str, Any]], refusal: str) -> list[str]:
    work = [(_transition(row), row["leaves"] or not refusal) for row in asked]
    taken = [transition for transition, takes in work if takes]
    outcomes = iter(driver.execute(taken) if taken else ())
    return [next(outcomes).error if takes else refusal for _, takes in work]


def _observe(driver: Driver, asked: Sequence[Mapping[str, Any]], refusal: str) -> list[list[Any]]:
    observations = driver.observe([_record(row) for row in asked])
    return [[seen.address, seen.state, seen.drift, [list(piece) for piece in seen.seen]] for seen in observations]


def _health(driver: Driver, asked: Sequence[Mapping[str, Any]], refusal: str) -> list[Any]:
    return list(driver.health(_record(asked[0])))


def _logs(driver: Driver, asked: Sequence[Any], refusal: str) -> list[str]:
    return list(driver.logs(_record(asked[0]), asked[1], follow=False))


_REPLIES: Mapping[str, Callable[[Driver, Any, str], Any]] = {
    EXECUTE: _execute,
    OBSERVE: _observe,
    HEALTH: _health,
    LOGS: _logs,
}


def outcomes(errors: Sequence[str], transitions: Sequence[Transition]) -> list[Outcome]:
    return [Outcome(transition.address, error) for transition, error in zip(transitions, errors, strict=True)]


def health(row: Sequence[Any]) -> Health:
    return Health(*row)


def _transition(row: Mapping[str, Any]) -> Transition:
    kept = {name: row[name] for name in Transition._fields}
    return Transition(**{**kept, "old": row["old"].encode(), "new": row["new"].encode()})


def _record(row: Mapping[str, Any]) -> Record:
    manifest, references = row["manifest"].encode(), row["references"].encode()
    return Record(**{**row, "status": Status(row["status"]), "manifest": manifest, "references": references})


def _pack(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=bytes.decode)
    except orjson.JSONEncodeError:  # a text with half of a surrogate pair, from a log for instance
        return orjson.dumps(_printable(value))


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _printable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
