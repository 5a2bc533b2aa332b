"""`ureg rollback`: puts the registry back to an earlier commit, by a new commit, and plans from there."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry, put_back, reopened
from reconciler.commands import options, planning
from reconciler.commands.apply import GUARDS
from reconciler.commands.applying import Ask, run_plan
from reconciler.commands.moments import commit_at
from reconciler.commands.recovering import recover_first
from reconciler.commands.versions import open_version
from reconciler.commands.view import View, on_registry
from reconciler.engine.operations import Request
from reconciler.model.plan import Options


@click.command("rollback", cls=options.Command)
@options.option("to", "A commit, a branch, a tag, or a serial of the state.", required=True, metavar="COMMIT|SERIAL")
@options.flag("auto-approve", "Apply the plan, instead of only showing it.")
@options.option(
    "override-guard", "Apply although the plan passes this guard.", multiple=True, type=click.Choice(GUARDS)
)
@options.flag("json", "Write machine-readable messages, one object a line.")
@options.locking
@options.output
@options.settings
@on_registry
def command(
    view: View,
    registry: Registry,
    to: str,
    auto_approve: bool,
    override_guard: tuple[str, ...],
    lock: bool,
    lock_timeout: float,
) -> int:
    """Go back to an earlier commit: manifests, schemas and settings.

    They are put back by one new commit on the current branch, so that everyone who applies the branch agrees with it.
    Other files are not touched. Then the plan is shown, and with -auto-approve applied. A serial stands for the commit
    that had been applied by then; digits above the newest serial may begin a commit's id.
    """
    unsettled = recover_first(registry, view, lock, lock_timeout)
    commit = commit_at(registry, to)
    then = open_version(registry, commit, commit[:12]).registry
    made = put_back(registry, then, commit, f"Roll back to {commit[:12]}\n")
    if made is None:
        _say(view, f"The registry is as it was at {commit[:12]}: there is nothing to roll back.")
        return 0
    _say(view, f"The registry is as it was at {commit[:12]}, by the new commit {made[:12]}.\n")
    return _go_on(reopened(registry), view, auto_approve, Ask(lock, lock_timeout, override_guard, unsettled))


def _go_on(registry: Registry, view: View, auto_approve: bool, ask: Ask) -> int:
    plan = planning.make_and_show(registry, view, Request(Options()))
    if plan is None:
        return 1
    if auto_approve and plan.applyable:
        return run_plan(registry, view, plan, "rollback", ask)
    if plan.applyable:
        _say(view, "\nNothing is applied yet. `ureg apply` carries it out; `git revert HEAD` takes it back.")
    return 0


def _say(view: View, text: str) -> None:
    if view.stream is None:
        view.write(text)
