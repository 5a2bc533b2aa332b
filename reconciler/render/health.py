"""How components are right now, as a table and as data."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.outcome import Health
from reconciler.model.record import Record, Status
from reconciler.render.escape import headline
from reconciler.render.json_text import dump
from reconciler.render.style import Style
from reconciler.render.table import render_table

FORMAT_VERSION = 1

_HEADERS = ("ADDRESS", "STATE", "HEALTHY", "MESSAGE")


def render_health(checked: Sequence[tuple[Record, Health]], style: Style, columns: int = 0) -> str:
    """A table and a sentence."""
    if not checked:
        return "Nothing is recorded.\n"
    rows = [
        (record.address, _state(record), "yes" if health.healthy else "no", headline(health.message))
        for record, health in checked
    ]
    sick = sum(not health.healthy for _, health in checked)
    verdict = style.red(f"{sick} of {len(rows)} not healthy") if sick else style.green(f"All {len(rows)} healthy")
    return f"{render_table(_HEADERS, rows, style, columns)}\n{style.bold(verdict)}.\n"


def render_health_json(checked: Sequence[tuple[Record, Health]]) -> str:
    """One document. `healthy` says whether all are."""
    document = {
        "version": FORMAT_VERSION,
        "healthy": all(health.healthy for _, health in checked),
        "components": [
            {
                "address": record.address,
                "kind": record.kind,
                "state": record.state,
                "status": record.status.value,
                **health._asdict(),
            }
            for record, health in checked
        ],
    }
    return dump(document, indent=True).decode()


def _state(record: Record) -> str:
    return record.state if record.status is Status.OK else f"{record.state} ({record.status})"
