"""What is recorded, for people: all components as a table, or one with everything that is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from reconciler.model.record import Record, Status
from reconciler.render.escape import escape, escape_lines, headline
from reconciler.render.json_text import dump
from reconciler.render.style import Style
from reconciler.render.table import render_table

_HEADERS = ("ADDRESS", "STATE", "STATUS", "SOURCE", "MESSAGE")


def render_records(records: Iterable[Record], style: Style, columns: int = 0) -> str:
    """A table, or a sentence where there is nothing to show. It has a message only where something is wrong."""
    rows = [
        (
            record.address,
            record.state,
            record.status.value,
            record.source,
            headline(record.error) if record.error else "",
        )
        for record in records
    ]
    if not rows:
        return "Nothing is recorded.\n"
    shown = len(_HEADERS) if any(row[-1] for row in rows) else len(_HEADERS) - 1
    return render_table(_HEADERS[:shown], [row[:shown] for row in rows], style, columns)


def render_record(record: Record, style: Style) -> str:
    facts = {
        "state": record.state,
        "status": record.status.value,
        "drift" if record.status is Status.DRIFTED else "error": record.error,
        "source": record.source,
        "commit": record.commit,
        "serial": str(record.serial),
        "depends on": ", ".join(record.dependencies),
    }
    color = style.green if record.status is Status.OK else style.red
    lines = [f"{style.bold(escape(record.address))} {color(f'({escape(record.state)}, {record.status.value})')}"]
    for name, value in facts.items():
        shown = zip_longest([f"{name}:"], escape_lines(value), fillvalue="")
        lines += [f"{key:<12} {line}" for key, line in shown] if value else []
    return "\n".join((*lines, "", dump(record.body(), indent=True).decode()))
