"""Says how a run ended: what was added, changed and destroyed, what failed, and what was skipped because of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.event import StepFinished, Summary
from reconciler.render.diagnostics_text import render_diagnostics
from reconciler.render.escape import escape
from reconciler.render.style import Style

APPLY, DESTROY = "apply", "destroy"

_MOST_SKIPPED = 20


def render_summary(
    summary: Summary,
    failures: Sequence[StepFinished],
    skipped: Mapping[Address, Address],
    style: Style,
    operation: str = APPLY,
) -> str:
    """The end of a run's output. `skipped` names for each skipped component the one it waited for, "" for none.
    `operation` is "apply", "destroy", or the verb that was asked for."""
    parts = []
    if failures:
        parts.append(render_diagnostics(tuple(map(_diagnostic, failures)), style).rstrip("\n"))
    waiting = {address: because for address, because in skipped.items() if because}
    if waiting:
        parts.append(_skipped(waiting))
    parts.append(style.bold(_verdict(summary, style, operation)))
    if summary.interrupted:
        parts.append(f"Components not reached: {len(skipped) - len(waiting)}. The next plan goes on from here.")
    elif failures:
        parts.append("The next plan goes on from here.")
    text = "\n\n".join(parts)
    return f"\n{text}\n"


def totals(summary: Summary, operation: str = APPLY) -> str:
    if operation == DESTROY:
        return f"Resources: {summary.destroyed} destroyed."
    if operation != APPLY:
        return f"Components: {summary.changed}."
    return f"Resources: {summary.added} added, {summary.changed} changed, {summary.destroyed} destroyed."


def _verdict(summary: Summary, style: Style, operation: str) -> str:
    name, done = escape(operation.capitalize()), totals(summary, operation)
    if summary.interrupted:
        return f"{style.yellow(f'{name} interrupted.')} {done}"
    if summary.failed:
        return f"{style.red(f'{name} incomplete.')} {done}"
    return style.green(f"{name} complete! {done}")


def _diagnostic(failure: StepFinished) -> Diagnostic:
    step = failure.step
    return Diagnostic("step-failed", f"{step.address}: {step.verb} failed", detail=failure.error)


def _skipped(waiting: Mapping[Address, Address]) -> str:
    lines = [f"  {escape(address)} (needs {escape(because)})" for address, because in waiting.items()]
    more = len(lines) - _MOST_SKIPPED
    shown = [*lines[:_MOST_SKIPPED], f"  and {more} more"] if more > 0 else lines
    return "\n".join(("Skipped, because what they depend on failed:", *shown))
