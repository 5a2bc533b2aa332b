"""`ureg force-unlock`: takes the lock away from a holder that will never give it back."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.confirm import Question, agreed
from reconciler.commands.view import View, on_registry
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.history import Lock
from reconciler.render.lock_text import render_lock, sentence

_QUESTION = Question(
    "Do you really want to take this lock away?",
    "If its holder still runs, it can write no more, and what it is doing now is recovered by the next apply.",
    "-force",
)


@click.command("force-unlock", cls=options.Command)
@click.argument("lock_id", metavar="ID")
@options.flag("force", "Do not ask before unlocking.")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, lock_id: str, force: bool) -> int:
    """Take the lock with this ID from its holder. `ureg lock show` tells the id.

    For a holder that hangs and cannot be ended. The lock of one that is gone runs out by itself, within seconds. The
    event log keeps that it was taken away.
    """
    lock = _held(registry, lock_id)
    view.write(render_lock(lock, view.style))
    if not agreed(view, _QUESTION, force):
        return 1
    if not registry.store.unlock(lock_id):
        raise Invalid(_free("The lock was given back meanwhile"))
    view.write("The lock is free now.")
    return 0


def _held(registry: Registry, lock_id: str) -> Lock:
    """The lock that is held, if its id is `lock_id`. Raises Invalid."""
    lock = registry.store.holder()
    if lock is None:
        raise Invalid(_free("Nobody holds the lock"))
    if lock.info.id != lock_id:
        hint = f"The id of the lock is {lock.info.id}."
        raise Invalid(Diagnostic("lock-id", f"There is no lock {lock_id!r}", sentence(lock), hint))
    return lock


def _free(summary: str) -> Diagnostic:
    return Diagnostic("lock-free", summary, hint="There is nothing to unlock.")
