"""How tests reach a SQLite state behind its store's back."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from store_contract import LEASE, Stores

from reconciler.ports import StateStore
from reconciler.state.sqlite import SqliteStore


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Runs one statement and gives its rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("uptime", 0, time.monotonic)
        rows = connection.execute(statement).fetchall()
        connection.commit()
        return rows


class OnSqlite(Stores):
    """The contract's stores, in the file that the fixture `path` names."""

    @pytest.fixture(autouse=True)
    def _place(self, path: Path) -> None:
        self.path = path

    def open(self, lease: float = LEASE) -> StateStore:
        return SqliteStore(self.path, lease)

    def raw(self, statement: str) -> list[tuple[object, ...]]:
        for guard in ("event_is_never_changed", "event_is_never_deleted"):
            query(self.path, f"DROP TRIGGER IF EXISTS {guard}")
        return query(self.path, statement)

    def opening(self) -> str:
        return (
            f"from reconciler.state.sqlite import SqliteStore\nstore = SqliteStore(Path({str(self.path)!r}), lease)\n"
        )
