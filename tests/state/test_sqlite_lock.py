"""Whose clock ends the lease of a state in a file: the uptime of a machine that still runs, else the time of day."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from sqlite_state import query
from store_values import lock, put, record

from reconciler.ports import Locked
from reconciler.state import sqlite_file
from reconciler.state.machine import boot_id, started
from reconciler.state.queries import migrations
from reconciler.state.sqlite import SqliteStore

PAST, FUTURE = "2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"
HERE, ELSEWHERE = lock("held").who, "bob@elsewhere"
ALIVE, SAME_BOOT, OTHER_BOOT = started(os.getppid()), f"{boot_id()}/", "another-boot/1"


def _hold(path: Path, who: str, begun: str, expires: str, lapses: float) -> None:
    sqlite_file.prepare(path)
    row = f"(1, 'held', 'apply', '{who}', {os.getppid()}, '{begun}', '{PAST}', '{expires}', 0, {lapses})"
    query(path, f"INSERT INTO lock VALUES {row}")


@pytest.mark.parametrize(
    ("who", "begun", "expires", "ahead"),
    [
        pytest.param(HERE, ALIVE, PAST, 10, id="the time of day was set forward"),
        pytest.param(ELSEWHERE, SAME_BOOT, PAST, 10, id="and the holder is in a container of this machine"),
        pytest.param(ELSEWHERE, OTHER_BOOT, FUTURE, -10, id="another machine has run for longer than this one"),
    ],
)
def test_a_lease_that_lasts(path: Path, store: SqliteStore, who: str, begun: str, expires: str, ahead: float) -> None:
    _hold(path, who, begun, expires, time.monotonic() + ahead)
    assert store.holder() is not None
    with pytest.raises(Locked), store.write(lock(), 0):
        pass


@pytest.mark.parametrize(
    ("who", "begun", "expires", "ahead"),
    [
        pytest.param(HERE, ALIVE, FUTURE, -0.001, id="the time of day was set back"),
        pytest.param(HERE, OTHER_BOOT, FUTURE, 10, id="the machine was started anew"),
        pytest.param(ELSEWHERE, OTHER_BOOT, PAST, 10, id="another machine has run for less time than this one"),
    ],
)
def test_a_lease_that_is_over(path: Path, store: SqliteStore, who: str, begun: str, expires: str, ahead: float) -> None:
    _hold(path, who, begun, expires, time.monotonic() + ahead)
    assert store.holder() is None
    with store.write(lock(), 0) as writer:
        assert writer.settle(put(record("a"))) == 1


def test_both_clocks_are_written(path: Path, store: SqliteStore) -> None:
    with store.write(lock(), 0):
        ((begun, lapses),) = query(path, "SELECT started, lapses FROM lock")
        held = store.holder()
    assert begun == started(os.getpid())
    assert isinstance(lapses, float)
    assert 10 < lapses - time.monotonic() <= 15
    assert held
    assert held.expires > held.created > "2026"


def test_a_state_of_the_first_layout(path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read as it stands, and the next writer brings it up to date."""
    with monkeypatch.context() as older:
        first = migrations("sqlite")[:1]
        older.setattr(sqlite_file, "VERSION", 1)
        older.setattr(sqlite_file, "migrations", lambda _: first)
        sqlite_file.prepare(path)
    query(path, f"INSERT INTO lock VALUES (1, 'held', 'apply', '{ELSEWHERE}', 7, '99', '{PAST}', '{FUTURE}', 0)")
    held = store.holder()
    assert held
    assert held.info.id == "held"
    assert query(path, "PRAGMA user_version") == [(1,)]
    with pytest.raises(Locked), store.write(lock(), 0):
        pass
    assert query(path, "PRAGMA user_version") == [(sqlite_file.VERSION,)]
    assert store.unlock("held")
    with store.write(lock(), 0) as writer:
        assert writer.settle(put(record("a"))) == 1
    assert store.verify() == []
