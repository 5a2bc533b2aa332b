"""`ureg diff`: what a plan from one version of the registry to another would be."""

from __future__ import annotations

from typing import NamedTuple

import click

from reconciler.bootstrap import Registry, resolve_commit
from reconciler.commands import options, planning
from reconciler.commands.versions import open_version
from reconciler.commands.view import View, on_registry
from reconciler.engine.diff import both, difference
from reconciler.model.record import RecordedState
from reconciler.model.resource import DesiredState
from reconciler.render.escape import escape

EXIT_CHANGES = 2
STATE, WORKTREE = "state", "worktree"


class _Side(NamedTuple):
    """A version of the registry, and what it asks for or records."""

    registry: Registry
    content: DesiredState | RecordedState


@click.command("diff", cls=options.Command)
@options.option("from", "A commit, a branch, a tag, `state` or `worktree`.", "before", default=STATE, metavar="VERSION")
@options.option("to", "The same.", "after", default=WORKTREE, metavar="VERSION")
@options.flag("json", "Write JSON: Terraform's representation of the plan.", "as_json")
@options.flag("detailed-exitcode", "Exit with 0 for no changes, 1 for an error, 2 for changes.")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, before: str, after: str, as_json: bool, detailed_exitcode: bool) -> int:
    """Show what a plan from one version of the registry to another would be. Changes nothing and asks no driver.

    A version is a commit, a branch or a tag, with the settings and schemas that it has; `state`, what is recorded; or
    `worktree`, the files as they are now. A branch of one of these names is written as refs/heads/NAME.
    """
    old, new = _side(registry, before), _side(registry, after)
    merged = registry._replace(catalogue=both(old.registry.catalogue, new.registry.catalogue))
    guards = new.registry.settings.guards
    made, diagnostics = difference(old.content, new.content, merged.catalogue, guards, registry.clock.now())
    view.report(diagnostics)
    if made is None:
        return 1
    if as_json:
        planning.write_json(merged, made)
    elif made.applyable:
        planning.show(merged, view, made)
    else:
        view.write(f"No changes. {escape(before)} and {escape(after)} ask for the same.")
    return EXIT_CHANGES if detailed_exitcode and made.applyable else 0


def _side(registry: Registry, word: str) -> _Side:
    if word == STATE:
        return _Side(registry, registry.store.load())
    commit = "" if word == WORKTREE else resolve_commit(registry, word)
    return _Side(*open_version(registry, commit, word))
