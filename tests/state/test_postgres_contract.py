"""The PostgreSQL store keeps the contract of every store."""

from __future__ import annotations

from postgres_state import OnPostgres
from state.postgres_server import postgres_server, postgres_url
from store_contract import StoreContract
from store_contract_history import HistoryContract
from store_contract_lock import LockContract
from store_contract_notes import NotesContract

__all__ = ["postgres_server", "postgres_url"]


class TestContract(OnPostgres, StoreContract):
    pass


class TestLockContract(OnPostgres, LockContract):
    pass


class TestHistoryContract(OnPostgres, HistoryContract):
    pass


class TestNotesContract(OnPostgres, NotesContract):
    pass
