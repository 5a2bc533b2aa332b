"""How tests reach a state in PostgreSQL behind its store's back."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from store_contract import LEASE, Stores

from reconciler.ports import StateStore
from reconciler.state.postgres import open_store
from reconciler.state.postgres_url import target


class OnPostgres(Stores):
    """The contract's stores, in the schema that the fixture `postgres_url` made."""

    @pytest.fixture(autouse=True)
    def _place(self, postgres_url: str, tmp_path: Path) -> None:
        self.url = postgres_url
        self.backups = tmp_path / "backups"

    def open(self, lease: float = LEASE) -> StateStore:
        return open_store(self.url, self.backups, lease)

    def raw(self, statement: str) -> list[tuple[object, ...]]:
        url, schema = target(self.url)
        with psycopg.connect(url) as connection:
            connection.execute("SET session_replication_role = replica")  # no triggers
            connection.execute(f"SET search_path = {schema}".encode())
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def opening(self) -> str:
        arguments = f"{self.url!r}, Path({str(self.backups)!r}), lease"
        return f"from reconciler.state.postgres import open_store\nstore = open_store({arguments})\n"
