"""Writes a run as Terraform's machine-readable messages: one JSON object a line, as things happen.

A component is one resource: its first verb is `apply_start`, those between are `apply_progress`, and its last one, or
the first that fails, is `apply_complete` or `apply_errored`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler import __version__
from reconciler.model.address import Address, parse_address
from reconciler.model.change import Action, Change, Reason
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Severity
from reconciler.model.event import Event, RunFinished, StepFinished, StepSkipped, StepStarted, Summary
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Mode, Plan
from reconciler.model.record import Observation, Record
from reconciler.render.diagnostics_json import diagnostic_json
from reconciler.render.diagnostics_text import in_order
from reconciler.render.json_text import dump
from reconciler.render.plan_text import counts
from reconciler.render.progress import duration
from reconciler.render.summary import APPLY, DESTROY, totals
from reconciler.render.terraform import PROVIDER, TERRAFORM_VERSION, drift_facts
from reconciler.render.track import Progress, Track, act

UI_VERSION = "1.2"

_NOUNS: Mapping[Action, tuple[str, str]] = {
    Action.CREATE: ("Creating", "Creation"),
    Action.UPDATE: ("Modifying", "Modifications"),
    Action.REPLACE: ("Replacing", "Replacement"),
    Action.DELETE: ("Destroying", "Destruction"),
}
_REASONS = {Reason.CANNOT_UPDATE: "cannot_update", Reason.REQUESTED: "requested", Reason.DESTROY: ""}
"""Where a message calls a reason otherwise than a plan does."""


class JsonStream:
    """`write` takes a line with its end, `now` gives the time of day in RFC 3339."""

    def __init__(self, write: Callable[[str], object], now: Callable[[], str]) -> None:
        self._write = write
        self._now = now
        self._actions: dict[Address, Action] = {}
        self._operation = APPLY
        self._started: set[Address] = set()
        self._track = Track()

    def version(self) -> None:
        facts = {"terraform": TERRAFORM_VERSION, "ui": UI_VERSION, "ureg": __version__}
        self._send("version", f"ureg {__version__}", **facts)

    def plan(self, plan: Plan) -> None:
        """What drifted, each change, and how many there are."""
        self._actions = {change.address: change.action for change in plan.changes}
        self._operation = DESTROY if plan.options.mode is Mode.DESTROY else APPLY
        for record, seen in plan.drift:
            self._drift(record, seen)
        for change in plan.changes:
            self._send("planned_change", f"{change.address}: Plan to {change.action}", change=_planned(change))
        of = plan.counts()
        replaced = of[Action.REPLACE]
        added, removed = of[Action.CREATE] + replaced, of[Action.DELETE] + replaced
        self._summary(f"Plan: {counts(plan)}.", added, of[Action.UPDATE], removed, "plan")

    def diagnostics(self, diagnostics: Diagnostics) -> None:
        for finding in in_order(diagnostics):
            self._diagnostic(finding)

    def event(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._step_started(event)
        elif isinstance(event, StepFinished):
            self._step_finished(event)
        elif isinstance(event, StepSkipped):
            self._step_skipped(event)
        elif isinstance(event, RunFinished):
            self._run_finished(event.summary)

    def _step_started(self, event: StepStarted) -> None:
        address = event.step.address
        if address in self._started:
            return
        self._started.add(address)
        action = self._actions.get(address) or act(Action.NO_OP, event.step)
        hook = {**_hook(address, action), "ureg": {"verb": event.step.verb}}
        self._send("apply_start", f"{address}: {_NOUNS[action][0]}...", hook=hook)

    def _step_finished(self, event: StepFinished) -> None:
        address = event.step.address
        progress = self._track.add(event)
        action = self._actions.get(address, progress.action)
        kind, message = _finished(event, action, progress)
        hook = _hook(address, action) | {"elapsed_seconds": int(progress.elapsed), "ureg": {"verb": event.step.verb}}
        self._send(kind, message, "error" if event.error else "info", hook=hook)
        if event.error:
            self._diagnostic(Diagnostic("step-failed", f"{event.step.verb} failed", event.error, address=address))

    def _step_skipped(self, event: StepSkipped) -> None:
        address = event.step.address
        if event.because != address:
            why = f"it needs {event.because}, which failed" if event.because else "the run was interrupted"
            facts = {"verb": event.step.verb, "address": address, "because": event.because}
            self._send("log", f"{address}: Skipped {event.step.verb}: {why}", "warn", ureg=facts)

    def _run_finished(self, summary: Summary) -> None:
        word = "incomplete" if summary.failed or summary.interrupted else "complete"
        message = f"{self._operation.capitalize()} {word}! {totals(summary, self._operation)}"
        self._summary(message, summary.added, summary.changed, summary.destroyed, self._operation)

    def _drift(self, record: Record, seen: Observation) -> None:
        gone = seen.state == ABSENT
        change = {"resource": _resource(record.address), "action": "delete" if gone else "update"}
        facts = drift_facts(seen)
        message = f"{record.address}: Drift detected ({change['action']})"
        self._send("resource_drift", message, change=change, ureg=facts)

    def _diagnostic(self, finding: Diagnostic) -> None:
        level, name = ("error", "Error") if finding.severity is Severity.ERROR else ("warn", "Warning")
        self._send("diagnostic", f"{name}: {finding.summary}", level, diagnostic=diagnostic_json(finding))

    def _summary(self, message: str, add: int, change: int, remove: int, operation: str) -> None:
        changes = {"add": add, "change": change, "import": 0, "remove": remove, "operation": operation}
        self._send("change_summary", message, changes=changes)

    def _send(self, kind: str, message: str, level: str = "info", **members: Any) -> None:
        head = {"@level": level, "@message": message, "@module": "terraform.ui", "@timestamp": self._now()}
        self._write(dump({**head, **members, "type": kind}).decode())


def _finished(event: StepFinished, action: Action, progress: Progress) -> tuple[str, str]:
    address, (doing, done) = event.step.address, _NOUNS[action]
    after = duration(progress.elapsed)
    if event.error:
        return "apply_errored", f"{address}: {done} errored after {after}"
    if event.last:
        return "apply_complete", f"{address}: {done} complete after {after}"
    return "apply_progress", f"{address}: Still {doing.lower()}... [{event.step.verb} done, {after} elapsed]"


def _planned(change: Change) -> dict[str, Any]:
    reason = _REASONS.get(change.reason, change.reason.value)
    planned: dict[str, Any] = {"resource": _resource(change.address), "action": change.action.value}
    if reason:
        planned["reason"] = reason
    return {**planned, "ureg": {"verbs": change.verbs, "source": change.source, "detail": change.detail}}


def _hook(address: Address, action: Action) -> dict[str, Any]:
    return {"resource": _resource(address), "action": action.value}


def _resource(address: Address) -> dict[str, Any]:
    parts = parse_address(address)
    return {
        "addr": address,
        "module": parts.registry,
        "resource": f"{parts.kind}/{parts.name}",
        "implied_provider": PROVIDER,
        "resource_type": parts.kind,
        "resource_name": parts.name,
        "resource_key": None,
    }
