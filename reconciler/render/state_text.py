"""What is recorded, for people: all components as a table, or one with everything that is known of it."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.record import Record, Status
from reconciler.render.escape import escape
from reconciler.render.json_text import dump
from reconciler.render.style import Style
from reconciler.render.table import render_table

_HEADERS = ("ADDRESS", "STATE", "STATUS", "SOURCE")


def render_records(records: Iterable[Record], style: Style, columns: int = 0) -> str:
    """A table, or a sentence where there is nothing to show."""
    rows = [(record.address, record.state, record.status.value, record.source) for record in records]
    return render_table(_HEADERS, rows, style, columns) if rows else "Nothing is recorded.\n"


def render_record(record: Record, style: Style) -> str:
    facts = {
        "state": record.state,
        "status": record.status.value,
        "error": record.error,
        "source": record.source,
        "commit": record.commit,
        "serial": str(record.serial),
        "depends on": ", ".join(record.dependencies),
    }
    color = style.green if record.status is Status.OK else style.red
    lines = [f"{style.bold(escape(record.address))} {color(f'({escape(record.state)}, {record.status.value})')}"]
    lines += [f"{name + ':':<12} {escape(value)}" for name, value in facts.items() if value]
    return "\n".join((*lines, "", dump(record.body(), indent=True).decode()))
