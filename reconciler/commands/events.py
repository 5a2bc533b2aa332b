"""`ureg events`: the event log, and whether it is as it was written."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.history import limit
from reconciler.commands.runs import find_run
from reconciler.commands.state_care import refuse_damaged
from reconciler.commands.view import View, columns, on_registry
from reconciler.model.diagnostics import Diagnostic, Invalid


@click.group("events", cls=options.Group)
def command() -> None:
    """Look at the event log: every transition, run, lock taken over, and edit of the state."""


@command.command("list", cls=options.Command)
@options.option("run", "Only the events of this run; the beginning of its id is enough.", metavar="ID")
@limit
@options.flag("json", "Write JSON.", "as_json")
@options.output
@options.settings
@on_registry
def list_(view: View, registry: Registry, run: str | None, limit: int | None, as_json: bool) -> None:
    """List the events, newest last."""
    identifier = find_run(registry, run).run.id if run is not None else None
    events = registry.store.events(run=identifier, newest=limit)
    if as_json:
        from reconciler.render.history_json import render_events_json

        view.write(render_events_json(events))
    else:
        from reconciler.render.history_text import render_events

        view.write(render_events(events, view.style, columns()))


@command.command("verify", cls=options.Command)
@options.option("expect", "The digest that the chain's head had earlier, noted elsewhere.", metavar="DIGEST")
@options.output
@options.settings
@on_registry
def verify(view: View, registry: Registry, expect: str | None) -> None:
    """Check that no event was changed, removed, added or put elsewhere.

    Each event carries a digest over itself and the one before, so that damage is named with its place, and so is what
    does not agree with the log. Whoever rewrites the whole log can make every digest fit. Only a head that was noted
    elsewhere shows that: -expect compares with it, also when the log has grown since.
    """
    from reconciler.render.history_text import render_chain

    refuse_damaged(view, registry)
    count, head = next(((last.number, last.digest) for last in registry.store.events(newest=1)), (0, ""))
    if expect not in {None, head} and not any(event.digest == expect for event in registry.store.events()):
        raise Invalid(_unexpected(str(expect), head))
    view.write(render_chain(count, head, view.style))


def _unexpected(expect: str, head: str) -> Diagnostic:
    detail = f"The chain is whole, and its head is {head or 'that of an empty log'}. No event has the digest {expect}."
    hint = "The log was rewritten, a backup was put in its place, or the digest is that of another state."
    return Diagnostic("chain-rewritten", "The log is not the one that was noted", detail, hint)
