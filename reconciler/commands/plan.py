"""`ureg plan`: shows what apply would change."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options, planning
from reconciler.commands.locking import wait_for_lock
from reconciler.commands.recovering import recover_first
from reconciler.commands.view import View, on_registry

EXIT_CHANGES = 2


@click.command("plan", cls=options.Command)
@options.planning
@options.option("out", "Save the plan in FILE, for `ureg apply FILE`.", metavar="FILE")
@options.flag("detailed-exitcode", "Exit with 0 for no changes, 1 for an error, 2 for changes.")
@options.locking
@options.output
@options.settings
@on_registry
def command(
    view: View,
    registry: Registry,
    out: str | None,
    detailed_exitcode: bool,
    lock: bool,
    lock_timeout: float,
    **asked: bool,
) -> int:
    """Show what apply would change. Changes nothing.

    The manifests of the working tree are compared with the recorded state, after a look at what is really there.
    """
    wanted = planning.request(planning.Asked(**asked), whole=bool(out))  # type: ignore[arg-type]
    if lock:
        wait_for_lock(registry, lock_timeout)
    recover_first(registry, view, lock, lock_timeout)
    made = planning.make_and_show(registry, view, wanted)
    if made is None:
        return 1
    if out:
        planning.save(made, out)
    if view.stream is None:
        _say_what_next(view, out, made.applyable)
    return EXIT_CHANGES if detailed_exitcode and made.applyable else 0


def _say_what_next(view: View, out: str | None, applyable: bool) -> None:
    if out:
        view.write(f"\nThe plan is saved in {out}. Apply exactly this with:\n    ureg apply {out}\n")
    elif applyable:
        view.write("\nThis plan was not saved: use -out=FILE to apply later exactly what is shown here.\n")
