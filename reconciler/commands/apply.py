"""`ureg apply`: makes the world, and the recorded state, as the manifests say."""

from __future__ import annotations

import os

import click

from reconciler.bootstrap import Registry, driver_versions, plan_key
from reconciler.commands import options, planning
from reconciler.commands.applying import Ask, run_plan
from reconciler.commands.confirm import confirmed
from reconciler.commands.recovering import recover_first
from reconciler.commands.view import View, on_registry
from reconciler.engine.apply import refuse_guarded, refuse_moved, refuse_other_drivers
from reconciler.engine.desired import patterns
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.plan import Plan

GUARDS = ("deletes",)

applying = options.together(
    options.flag("auto-approve", "Do not ask before applying."),
    options.flag("input", "Never ask: fail where a question would be needed.", "may_ask", default=True),
    options.option(
        "override-guard",
        f"Apply although the plan passes this guard ({', '.join(GUARDS)}). Repeatable.",
        multiple=True,
        type=click.Choice(GUARDS),
        metavar="GUARD",
    ),
)


@click.command("apply", cls=options.Command)
@click.argument("file", metavar="[PLAN]", required=False)
@options.planning
@applying
@options.locking
@options.output
@options.settings
@on_registry
def command(
    view: View,
    registry: Registry,
    file: str | None,
    auto_approve: bool,
    may_ask: bool,
    override_guard: tuple[str, ...],
    lock: bool,
    lock_timeout: float,
    **asked: bool,
) -> int:
    """Make everything as the manifests say.

    Plans, shows the plan, asks, and carries it out. With PLAN, a file that `ureg plan -out` wrote, carries out exactly
    that without asking; it is refused when the commit, the manifests, the schemas, the drivers or the state changed
    since, and when it is not as it was written.
    """
    flags = planning.Asked(**asked)  # type: ignore[arg-type]
    unsettled = recover_first(registry, view, lock, lock_timeout)
    if file is not None:
        made: Plan | None = _saved(registry, file, flags)
    else:
        made = planning.make_and_show(registry, view, planning.request(flags))
    if made is None:
        return 1
    if not made.applyable:
        return 0
    refuse_guarded(made, override_guard)
    if file is None and not confirmed(view, auto_approve, may_ask, destroy=flags.destroy):
        return 1
    return run_plan(registry, view, made, "apply", Ask(lock, lock_timeout, override_guard, unsettled))


def _saved(registry: Registry, file: str, asked: planning.Asked) -> Plan:
    if asked != planning.Asked((), (), (), destroy=False, refresh_only=False, refresh=True):
        raise Invalid(
            Diagnostic("flags", "A saved plan takes no planning flags", hint="Give them to `ureg plan -out` instead.")
        )
    from reconciler.planner.codec import decode

    made, drivers = decode(planning.read(file), plan_key(os.environ))
    snapshot = registry.source.snapshot(patterns(registry.settings.registry, registry.catalogue))
    refuse_moved(made, snapshot.revision, registry.catalogue.digest)
    refuse_other_drivers(drivers, driver_versions(drivers))
    _have_pinned(registry, made)
    return made


def _have_pinned(registry: Registry, made: Plan) -> None:
    """Makes sure that the commits which the plan pins sub-registries to can be had. Raises Invalid for those that
    cannot."""
    from reconciler.compiler.kinds import bringing

    states = bringing(registry.catalogue)
    if any(change.after and change.after.state == states.get(change.kind) for change in made.changes):
        from reconciler.engine.subregistries import have_pinned

        have_pinned(made, registry.source.children, states)
