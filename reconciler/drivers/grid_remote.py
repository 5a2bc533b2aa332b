"""A driver whose components are on several nodes: it does itself what is here, and asks agents for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol
from uuid import uuid4

from reconciler.drivers.grid_questions import (
    EXECUTE,
    HEALTH,
    LEFT,
    LOGS,
    LOOK,
    OBSERVE,
    Question,
    Work,
    answered,
    health,
    observation,
    outcomes,
    pack_logs,
    pack_records,
    pack_work,
    timeout_of,
)
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.ports import Driver, DriverFor

NodeOf = Callable[[str, bytes], str]
"""The node of a component by its kind and its manifest; "local" for the machine that this runs on."""

_LOCAL = "local"
_ASK_AGAIN = 1.0
"""Seconds between two questions for new log lines."""
_FOLLOWED = 500
"""How many of the latest lines are asked for to find the new ones among them."""


class Asks(Protocol):
    def ask(self, questions: Sequence[Question]) -> list[bytes]:
        """The answers in the order of `questions`. Never raises."""


class PlacedDriver:
    """Satisfies ports.Driver. `local` is the driver of this machine; `open_client` leads to the others, and is called
    when one is first needed."""

    def __init__(self, local: Driver, node_of: NodeOf, open_client: Callable[[], Asks]) -> None:
        self._local = local
        self._node_of = node_of
        self._open = open_client
        self.name = local.name
        self.acts = local.acts
        self.batches = local.batches

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        groups: dict[tuple[str, bool], list[Transition]] = {}
        for each in transitions:
            node = self._node(each)
            groups.setdefault((node, self._moves(each, node)), []).append(each)
        here = [each for (node, _), group in groups.items() if node == _LOCAL for each in group]
        away = {key: group for key, group in groups.items() if key[0] != _LOCAL}
        if not away:
            return self._local.execute(here)
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(lambda: list(self._execute_away(away)))
            done = self._local.execute(here) if here else ()
            return _in_order([*done, *asked.result()], transitions)

    def observe(self, records: Sequence[Record]) -> Iterable[Observation]:
        groups: dict[str, list[Record]] = {}
        for record in records:
            groups.setdefault(self._node_of(record.kind, record.manifest), []).append(record)
        here = groups.pop(_LOCAL, [])
        asked = [self._question(node, OBSERVE, pack_records(group)) for node, group in groups.items()]
        for reply in self._open().ask(asked) if asked else ():
            yield from map(observation, answered(reply))
        yield from self._local.observe(here) if here else ()

    def health(self, record: Record) -> Health:
        node = self._node_of(record.kind, record.manifest)
        if node == _LOCAL:
            return self._local.health(record)
        return health(answered(self._open().ask([self._question(node, HEALTH, pack_records([record]))])[0]))

    def logs(self, record: Record, lines: int, follow: bool) -> Iterable[str]:
        node = self._node_of(record.kind, record.manifest)
        if node == _LOCAL:
            return self._local.logs(record, lines, follow)
        return self._logs(node, record, lines, follow)

    def _logs(self, node: str, record: Record, lines: int, follow: bool) -> Iterator[str]:
        def latest(most: int) -> list[str]:
            found: list[str] = answered(self._open().ask([self._question(node, LOGS, pack_logs(record, most))])[0])
            return found

        known = latest(max(lines, _FOLLOWED) if follow else lines)
        yield from known[len(known) - lines :] if lines < len(known) else known
        while follow:
            time.sleep(_ASK_AGAIN)
            now = latest(_FOLLOWED)
            yield from news(known, now)
            known = now

    def _execute_away(self, groups: dict[tuple[str, bool], list[Transition]]) -> Iterator[Outcome]:
        asked: list[Question] = []
        parts: list[list[Transition]] = []
        for (node, moves), group in groups.items():
            for part in [group] if self._local.batches else [[each] for each in group]:
                parts.append(part)
                asked.append(self._order(node, moves, part))
        for question, part, reply in zip(asked, parts, self._open().ask(asked), strict=True):
            yield from _told(question, part, reply)

    def _order(self, node: str, moves: bool, part: Sequence[Transition]) -> Question:
        first = part[0]
        body = pack_work([Work(each, leaves=moves or not each.new) for each in part])
        lock = f"{node} {self.name}" if self._local.batches else f"{node} {first.address}"
        name = first.key if len(part) == 1 else f"{first.key}+{len(part) - 1} {node}"
        return Question(name, node, self.name, EXECUTE, body, lock, timeout_of([each.timeout for each in part]), moves)

    def _question(self, node: str, what: str, body: bytes) -> Question:
        return Question(uuid4().hex, node, self.name, what, body, timeout=LOOK)

    def _node(self, each: Transition) -> str:
        """What takes a component down is done where it is recorded, the rest where it is to be."""
        manifest = each.old if each.old and each.source != ABSENT else each.new or each.old
        return self._node_of(each.kind, manifest)

    def _moves(self, each: Transition, node: str) -> bool:
        """Whether the component leaves `node` for another one."""
        return bool(each.new) and self._node_of(each.kind, each.new) != node


def reaching(driver_for: DriverFor, names: Collection[str], node_of: NodeOf, options: Mapping[str, Any]) -> DriverFor:
    """`driver_for`, with the drivers called `names` reaching other nodes: those of the grid that `options`, the ones of
    the grid's driver, lead to."""

    @cache
    def client() -> Asks:
        from reconciler.drivers import grid
        from reconciler.drivers.grid_client import Client

        return Client(grid.database(options), grid.timing(options))

    @cache
    def reaching_driver_for(name: str) -> Driver:
        driver = driver_for(name)
        return PlacedDriver(driver, node_of, client) if name in names else driver

    return reaching_driver_for


def news(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """The lines of `now` that follow on `before`, both being the latest lines of one log."""
    for length in range(min(len(before), len(now)), 0, -1):
        if before[-length:] == now[:length]:
            return now[length:]
    return now


def _told(question: Question, part: Sequence[Transition], reply: bytes) -> list[Outcome]:
    if reply == LEFT:
        return [Outcome(each.address) for each in part]
    try:
        return outcomes(answered(reply), part)
    except OSError as error:
        return [Outcome(each.address, str(error)) for each in part]


def _in_order(done: Sequence[Outcome], transitions: Sequence[Transition]) -> list[Outcome]:
    by_address = {outcome.address: outcome for outcome in done}
    return [by_address[each.address] for each in transitions]
