"""`ureg wait`: returns once the daemon has brought about what is asked for; made for CI."""

from __future__ import annotations

import time

import click

from reconciler.bootstrap import Registry, is_part_of, resolve_commit
from reconciler.commands import options
from reconciler.commands.status import Report, read_report
from reconciler.commands.suspend import scope
from reconciler.commands.view import View, on_registry
from reconciler.daemon.waiting import Answer, Wish, look, read_condition
from reconciler.model.daemon import SyncStatus, Verdict
from reconciler.model.diagnostics import Diagnostic, Invalid

_PAUSE = 0.25


@click.command("wait", cls=options.Command)
@click.argument("what", metavar="ADDRESS|KIND|all")
@options.option("for", "The condition (Ready), or one like Drifted=False.", "condition", default="Ready",
                metavar="CONDITION")  # fmt: skip
@options.option("timeout", "How long to wait (60s).", type=options.Duration(), default="60s", metavar="DURATION")
@options.option("commit", "Not before the daemon has taken in this commit.", metavar="COMMIT")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, what: str, condition: str, timeout: float, commit: str | None) -> None:
    """Wait until a condition of a component, of a kind or of all components holds.

    Exits with 0 once it does, with 1 when that takes too long or will not happen by itself. After a push give
    -commit=HEAD: what the daemon says until then is about the commit before.
    """
    try:
        wish = Wish(scope(registry, what), *read_condition(condition))
    except ValueError as error:
        raise Invalid(Diagnostic("flags", str(error))) from error
    wanted = resolve_commit(registry, commit) if commit else ""
    deadline = registry.clock.monotonic() + timeout
    known = -1
    while True:
        report = read_report(registry)
        if report.version != known or report.silent:
            known, answer = report.version, _ask(registry, report, wish, wanted)
        if not answer.unmet and not answer.hopeless:
            view.write(f"{wish.scope}: {wish.type.value}={wish.value}.")
            return
        if answer.hopeless or registry.clock.monotonic() >= deadline:
            raise Invalid(_failed(wish, answer, timeout))
        time.sleep(_PAUSE)


def _ask(registry: Registry, report: Report, wish: Wish, commit: str) -> Answer:
    if report.silent:
        return Answer((f"No daemon reports: {report.silent}.",))
    status = report.status
    if commit and not _is_taken_in(registry, commit, status.good):
        return _not_taken_in(registry, commit, status)
    return look(wish, status, registry.store.load().records)


def _is_taken_in(registry: Registry, commit: str, generation: str) -> bool:
    return bool(generation) and is_part_of(registry, commit, generation.partition("+")[0])


def _not_taken_in(registry: Registry, commit: str, status: SyncStatus) -> Answer:
    if status.verdict is Verdict.REFUSED and _is_taken_in(registry, commit, status.desired):
        return Answer(status.errors, f"The commit {commit[:12]} is refused, or a later one that has it.")
    return Answer((f"The daemon has not taken in the commit {commit[:12]} yet.",))


def _failed(wish: Wish, answer: Answer, timeout: float) -> Diagnostic:
    wanted = f"{wish.scope}: {wish.type.value}={wish.value}"
    if answer.hopeless:
        detail = "\n".join((answer.hopeless, *answer.unmet))
        return Diagnostic("wait-hopeless", f"{wanted} will not come by itself", detail, "`ureg status` tells more.")
    summary = f"{wanted} did not come within {timeout:g} s"
    return Diagnostic("wait-timeout", summary, "\n".join(answer.unmet), "`ureg status` tells more.")
