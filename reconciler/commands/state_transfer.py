"""`ureg state push|migrate`: a whole state from a file, or into another database."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.bootstrap import Registry, open_store
from reconciler.commands import options
from reconciler.commands.locking import NOWHERE, locking, new_run
from reconciler.commands.view import View, on_registry
from reconciler.model.diagnostics import Diagnostic, Invalid


@click.command("push", cls=options.Command)
@click.argument("file", metavar="FILE")
@options.flag("force", "Also where FILE has another lineage, or is older than what is recorded.")
@options.locking
@options.output
@options.settings
@on_registry
def push(view: View, registry: Registry, file: str, force: bool, lock: bool, lock_timeout: float) -> None:
    """Put a pulled state in the recorded one's place.

    FILE is what `ureg state pull` printed, or - for standard input. It is checked as a whole first. A fingerprint in it
    is not looked at but computed anew, so that an edited manifest is noticed by the next plan.
    """
    from reconciler.engine.state_file import read_state
    from reconciler.engine.state_transfer import push as put

    pushed = read_state(_content(file))
    taken = locking(registry, "state push", lock, lock_timeout)
    serial = put(pushed, new_run("state push", NOWHERE), registry.store, taken, force)
    view.write(f"The state has {_components(len(pushed.records))} now, and the serial {serial}.")


@click.command("migrate", cls=options.Command)
@click.argument("to", metavar="TO")
@options.locking
@options.output
@options.settings
@on_registry
def migrate(view: View, registry: Registry, to: str, lock: bool, lock_timeout: float) -> None:
    """Copy the records to another database.

    TO is a file or a postgresql:// URL that holds no state yet. The copy is read back and compared by a digest over all
    records. What is suspended and what the daemon knows come along. The event log stays where it is: the copy starts
    one of its own. Nothing is removed here.
    """
    from reconciler.engine.state_transfer import migrate as copy

    target = open_store(registry.root, to)
    try:
        taken = locking(registry, "state migrate", lock, lock_timeout)
        count, digest = copy(registry.store, target, new_run("state migrate", NOWHERE), taken, taken)
    finally:
        target.close()
    view.write(
        f"Copied and compared: {_components(count)}, digest {digest}.\n"
        f"The history stays in the old state. {_how_to_use(to)}"
    )


def _components(number: int) -> str:
    return f"{number} component{'s' * (number != 1)}"


def _how_to_use(to: str) -> str:
    from reconciler.model.settings import is_database
    from reconciler.render.escape import escape
    from reconciler.state.postgres_url import has_password

    if is_database(to) and has_password(to):
        return "To use the new one, set UREG_STATE to its URL: a password does not belong in ureg.yaml."
    if not is_database(to) and (Path(to).is_absolute() or ".." in Path(to).parts):
        return f"To use the new one, set UREG_STATE to {escape(to)}: ureg.yaml names only files of the registry."
    return f"To use the new one, put this line into ureg.yaml:\n\nstate: {escape(to)}"


def _content(file: str) -> bytes:
    """What is in `file`, up to one byte more than a state file may have. Raises Invalid."""
    from reconciler.engine.state_file import MOST_BYTES

    if file == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        hint = "Name a file that `ureg state pull` printed, or - for standard input."
        raise Invalid(Diagnostic("state-file", f"{file} cannot be read", str(error.strerror), hint)) from error
