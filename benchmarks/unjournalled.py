"""Runs `ureg` with a state that keeps no journal, to tell what the journal costs: `python -m benchmarks.unjournalled`.

It leaves out what only a journal needs: runs, intents, the event log with its chain, and backups. The lock, the fence,
the checksums and durable transactions stay, so that two applies differ by the journal alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import cli
from reconciler.model.history import Intent, Run
from reconciler.ports import Write
from reconciler.state import store
from reconciler.state.rows import Meta
from reconciler.state.writer import SqlWriter, _new_lineage, _stamped


class UnjournalledWriter(SqlWriter):
    """Writes records, and nothing of how they came about."""

    def begin(self, run: Run) -> None:
        """Notes nothing."""

    def intend(self, intents: Sequence[Intent]) -> None:
        """Notes nothing."""

    def finish(self, outcome: str) -> None:
        """Notes nothing."""

    def _settle(self, writes: Sequence[Write], meta: Meta, now: str) -> Meta:
        serial = meta.serial + 1
        latest = {write.address: _stamped(write.record, serial) for write in writes}
        return self._record(latest, (), meta._replace(lineage=meta.lineage or _new_lineage(), serial=serial))


if __name__ == "__main__":
    setattr(store, "SqlWriter", UnjournalledWriter)  # noqa: B010 - it is no constant to a type checker
    cli.main()
