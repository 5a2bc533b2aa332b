"""Says how a run ended: what was added, changed and destroyed, what failed, and what was skipped because of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.event import StepFinished, Summary
from reconciler.render.diagnostics_text import render_diagnostics
from reconciler.render.escape import escape
from reconciler.render.style import Style

_MOST_SKIPPED = 20


def render_summary(
    summary: Summary,
    failures: Sequence[StepFinished],
    skipped: Mapping[Address, Address],
    style: Style,
    destroy: bool = False,
) -> str:
    """The end of a run's output. `skipped` names for each skipped component the one it waited for, "" for none."""
    parts = []
    if failures:
        parts.append(render_diagnostics(tuple(map(_diagnostic, failures)), style).rstrip("\n"))
    waiting = {address: because for address, because in skipped.items() if because}
    if waiting:
        parts.append(_skipped(waiting))
    parts.append(style.bold(_verdict(summary, style, destroy)))
    if summary.interrupted:
        parts.append(f"Components not reached: {len(skipped) - len(waiting)}. The next plan goes on from here.")
    elif failures:
        parts.append("The next plan goes on from here.")
    text = "\n\n".join(parts)
    return f"\n{text}\n"


def totals(summary: Summary, destroy: bool = False) -> str:
    if destroy:
        return f"Resources: {summary.destroyed} destroyed."
    return f"Resources: {summary.added} added, {summary.changed} changed, {summary.destroyed} destroyed."


def _verdict(summary: Summary, style: Style, destroy: bool) -> str:
    name = "Destroy" if destroy else "Apply"
    if summary.interrupted:
        return f"{style.yellow(f'{name} interrupted.')} {totals(summary, destroy)}"
    if summary.failed:
        return f"{style.red(f'{name} incomplete.')} {totals(summary, destroy)}"
    return style.green(f"{name} complete! {totals(summary, destroy)}")


def _diagnostic(failure: StepFinished) -> Diagnostic:
    step = failure.step
    return Diagnostic("step-failed", f"{step.address}: {step.verb} failed", detail=failure.error)


def _skipped(waiting: Mapping[Address, Address]) -> str:
    lines = [f"  {escape(address)} (needs {escape(because)})" for address, because in waiting.items()]
    more = len(lines) - _MOST_SKIPPED
    shown = [*lines[:_MOST_SKIPPED], f"  and {more} more"] if more > 0 else lines
    return "\n".join(("Skipped, because what they depend on failed:", *shown))
