"""`ureg state verify|backups|restore`: whether the state is as it was written, and what to do where it is not."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.confirm import Question, agreed
from reconciler.commands.locking import NOWHERE, new_run
from reconciler.commands.view import View, columns, on_registry
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.history import Backup, LockInfo
from reconciler.ports import StateError

_QUESTION = Question(
    "Do you want to put this backup in the state's place?",
    "Only what is recorded changes, not what it stands for.",
)


@click.command("verify", cls=options.Command)
@options.output
@options.settings
@on_registry
def verify(view: View, registry: Registry) -> None:
    """Check that the state is as it was written.

    Reads all of it: the database itself, the checksum of each row, and the chain of events.
    """
    refuse_damaged(view, registry)
    recorded = registry.store.load()
    view.write(f"The state is whole: serial {recorded.serial}, components: {len(recorded.records)}.")


@click.command("backups", cls=options.Command)
@options.output
@options.settings
@on_registry
def backups(view: View, registry: Registry) -> None:
    """List the backups, newest first.

    Each apply leaves one of the state as it starts. The last ones are kept.
    """
    from reconciler.render.backups_text import render_backups

    view.write(render_backups(registry.store.backups(), view.style, columns()))


@click.command("restore", cls=options.Command)
@click.argument("name", required=False)
@options.flag("auto-approve", "Do not ask before restoring.")
@options.output
@options.settings
@on_registry
def restore(view: View, registry: Registry, name: str | None, auto_approve: bool) -> int:
    """Put a backup in the state's place.

    The newest one, or the one called NAME. Shows what would change, and asks. A damaged database is moved aside and
    never overwritten. What drivers did since the backup stays done: plan afterwards, to see what differs.
    """
    backup = _chosen(registry.store.backups(), name)
    view.write(_preview(view, registry, backup))
    if not agreed(view, _QUESTION, auto_approve):
        return 1
    run = new_run("state restore", NOWHERE)
    serial = registry.store.restore(backup.name, LockInfo(run.id, run.operation, run.who, os.getpid()))
    view.write(f"The state is restored, with the new serial {serial}. Run `ureg plan` to see what differs from it.")
    return 0


def refuse_damaged(view: View, registry: Registry) -> None:
    """Reads the whole state. Shows what is not as it was written, and raises Invalid."""
    if damage := registry.store.verify():
        from reconciler.render.history_text import render_damage

        view.write(render_damage(damage, view.style))
        hint = "`ureg state backups` lists what can be put in its place with `ureg state restore`."
        raise Invalid(Diagnostic("state-damaged", "The state is not as it was written", hint=hint))


def _preview(view: View, registry: Registry, backup: Backup) -> str:
    from reconciler.engine.past import compare
    from reconciler.render.backups_text import render_blind_restore, render_restore

    then = registry.store.read_backup(backup.name).records
    try:
        now = registry.store.load().records
    except StateError as error:
        return render_blind_restore(backup, str(error), view.style)
    return render_restore(backup, len(then), compare(now, then), view.style)


def _chosen(kept: Sequence[Backup], name: str | None) -> Backup:
    """The backup called `name`, or the newest. Raises Invalid."""
    if not kept:
        raise Invalid(Diagnostic("backup-none", "There is no backup of this state", hint="An apply leaves one."))
    if name is None:
        return kept[0]
    for backup in kept:
        if backup.name == name:
            return backup
    raise Invalid(Diagnostic("backup-unknown", f"There is no backup {name!r}", hint="`ureg state backups` lists them."))
