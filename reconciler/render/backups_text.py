"""Backups of a state, for people: which there are, and what restoring one would change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.address import Address
from reconciler.model.history import Backup
from reconciler.render.escape import escape
from reconciler.render.history_text import moment
from reconciler.render.style import Style
from reconciler.render.table import render_table

_HEADERS = ("NAME", "SERIAL", "TIME")
_MOST_SHOWN = 20


def render_backups(backups: Iterable[Backup], style: Style, columns: int = 0) -> str:
    """A table in the order of `backups`, or a sentence where there is none."""
    rows = [(backup.name, str(backup.serial), moment(backup.time)) for backup in backups]
    return render_table(_HEADERS, rows, style, columns) if rows else "There is no backup yet: an apply leaves one.\n"


def render_restore(backup: Backup, components: int, differences: Sequence[tuple[Address, str]], style: Style) -> str:
    """What a backup holds, and how what is recorded now would change; `differences` says it in a few words each."""
    lines = [*_about(backup, f" and {_counted(components)}", style), ""]
    if not differences:
        lines += ["What is recorded now is the same."]
    else:
        lines += [f"Of what is recorded now, {_counted(len(differences))} would change:"]
        lines += [f"  {escape(address)}: {escape(what)}" for address, what in differences[:_MOST_SHOWN]]
        lines += [f"  and {len(differences) - _MOST_SHOWN} more"] if len(differences) > _MOST_SHOWN else []
    return "\n".join((*lines, ""))


def render_blind_restore(backup: Backup, why: str, style: Style) -> str:
    """What is known of a backup where what is recorded now cannot be read."""
    return "\n".join((*_about(backup, "", style), "", "What it would change cannot be told:", f"  {escape(why)}", ""))


def _about(backup: Backup, more: str, style: Style) -> list[str]:
    return [f"{style.bold(escape(backup.name))} has the serial {backup.serial} of {escape(moment(backup.time))}{more}."]


def _counted(number: int) -> str:
    return f"{number} component{'s' * (number != 1)}"
