"""How drivers are asked for the health of many components."""

from __future__ import annotations

import threading
import time

import pytest
from engine.world import CATALOGUE, World

from reconciler.engine import health
from reconciler.engine.health import check
from reconciler.model.outcome import Health
from reconciler.model.record import Record, Status


def record(address: str, state: str = "running") -> Record:
    return Record(address, address.partition("/")[0].capitalize(), state, Status.OK, "f", b"{}")


def test_answers_come_in_the_order_of_the_records() -> None:
    world = World()
    for driver in world.drivers.values():
        driver.health = lambda record: Health(record.address != "many/b", record.address)  # type: ignore[method-assign]
    records = [record("one/z"), record("many/b"), record("other/x"), record("one/a")]
    found = check(records, CATALOGUE, world.driver_for, 2)
    assert [(each.record.address, each.health) for each in found] == [
        ("one/z", Health(True, "one/z")),
        ("many/b", Health(False, "many/b")),
        ("other/x", Health(False, "no schema describes the kind Other")),
        ("one/a", Health(True, "one/a")),
    ]


def test_what_failed_is_not_healthy_whatever_its_driver_says() -> None:
    world = World()
    world.drivers["single"].health = lambda record: Health(record.address == "one/a", "ill")  # type: ignore[method-assign]
    failed = [record(address)._replace(status=Status.FAILED, error="no room") for address in ("one/a", "one/b")]
    assert [each.health for each in check(failed, CATALOGUE, world.driver_for, 2)] == [
        Health(False, "its last transition failed: no room"),
        Health(False, "ill"),
    ]


def test_many_are_asked_at_once_but_no_more_than_allowed() -> None:
    world, lock, running, most = World(), threading.Lock(), [0], [0]

    def ask(record: Record) -> Health:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.002)
        with lock:
            running[0] -= 1
        return Health(True)

    for driver in world.drivers.values():
        driver.health = ask  # type: ignore[method-assign]
    for kind in ("one", "many"):
        most[0] = 0
        check([record(f"{kind}/{number}") for number in range(30)], CATALOGUE, world.driver_for, 8)
        assert 1 < most[0] <= 8
    for driver in world.drivers.values():
        driver.acts, most[0] = False, 0
    check([record(f"one/{number}") for number in range(5)], CATALOGUE, world.driver_for, 8)
    assert most[0] == 1, "where there is nothing to look at, a thread each would only cost"


def test_who_never_answers_is_not_healthy_and_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "HEALTH_LIMIT", 0.05)
    world, over = World(), threading.Event()

    def ask(record: Record) -> Health:
        return Health(record.address != "one/hangs" or over.wait())

    world.drivers["single"].health = ask  # type: ignore[method-assign]
    try:
        found = check([record("one/hangs"), record("one/b"), record("many/c")], CATALOGUE, world.driver_for, 1)
    finally:
        over.set()
    assert [each.health for each in found] == [
        Health(False, "It did not answer within 0.05 seconds."),
        Health(True),
        Health(True),
    ]
