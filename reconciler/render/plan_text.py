"""Shows a plan to a person, in the order and the words that a Terraform user knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.model.address import Address, parse_address
from reconciler.model.change import Action
from reconciler.model.diagnostics import Diagnostic, Severity
from reconciler.model.kind import Field
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Mode, Plan
from reconciler.model.record import Observation, Record, Seen
from reconciler.render.cells import pad, width
from reconciler.render.escape import escape, quote
from reconciler.render.style import Style

if TYPE_CHECKING:
    from reconciler.planner.pins import Pin

_MEANINGS = {
    Action.CREATE: "create",
    Action.UPDATE: "update in-place",
    Action.DELETE: "destroy",
    Action.REPLACE: "destroy and then create replacement",
}
_NOTHING = {
    Mode.NORMAL: ("The recorded state matches the manifests.", "ureg compared the two and found no differences."),
    Mode.DESTROY: ("Nothing is recorded.", "There is nothing to destroy."),
    Mode.REFRESH_ONLY: ("What is there matches the recorded state.", "No driver saw anything to record."),
}
_SHORT = 12
_RULE = "─" * 77


def render_plan(plan: Plan, style: Style, fields: Mapping[str, Field], pins: Sequence[Pin] = ()) -> str:
    """The whole plan with a final line end. `fields` are the annotations of each kind, by its slug; `pins` are the
    commits that it has sub-registries at."""
    parts = [*_drift(plan, style)]
    if plan.changes:
        from reconciler.render.change_text import change_text, secrets_of

        secrets = secrets_of(fields)
        parts += [_legend(plan, style), "ureg will perform the following actions:"]
        parts += [change_text(change, style, fields, secrets) for change in plan.changes]
        parts.append(f"{style.bold('Plan:')} {counts(plan)}.")
    elif not plan.drift or plan.options.mode is not Mode.REFRESH_ONLY:
        fact, reason = _NOTHING[plan.options.mode]
        parts += [f"{style.bold(style.green('No changes.'))} {style.bold(fact)}", reason]
    parts += [_pinned(pins, style)] if pins else []
    parts += _guards(plan, style)
    return "\n\n".join(parts).rstrip("\n") + "\n"


def counts(plan: Plan) -> str:
    """What the plan adds, changes and destroys; a replaced component is both added and destroyed."""
    of = plan.counts()
    replaced = of[Action.REPLACE]
    add, destroy = of[Action.CREATE] + replaced, of[Action.DELETE] + replaced
    return f"{add} to add, {of[Action.UPDATE]} to change, {destroy} to destroy"


def _legend(plan: Plan, style: Style) -> str:
    from reconciler.render.change_text import symbols

    of = plan.counts()
    marks = symbols(style)
    used = [f"{marks[action].wide} {meaning}" for action, meaning in _MEANINGS.items() if of[action]]
    return "\n".join(("Actions are indicated with the following symbols:", *used))


def _drift(plan: Plan, style: Style) -> list[str]:
    if not plan.drift:
        return []
    note = style.bold(style.cyan("Note:"))
    parts = [f"{note} {style.bold('Components have changed outside of ureg')}"]
    parts.append("These are no longer as the last apply left them:")
    parts += [_drifted(record, seen, style) for record, seen in plan.drift]
    if plan.options.mode is Mode.REFRESH_ONLY:
        parts.append("This is a refresh-only plan: applying it records what was seen and undoes nothing.")
    else:
        parts.append("The following plan may undo these changes.\n\n" + style.dim(_RULE))
    return parts


def _drifted(record: Record, seen: Observation, style: Style) -> str:
    parts = parse_address(record.address)
    gone = seen.state == ABSENT
    mark = style.red("-") if gone else style.yellow("~")
    lines = [style.bold(f"  # {escape(record.address)} {'is gone' if gone else 'has changed'}")]
    lines.append(f"  {mark} {escape(parts.kind)} {quote(parts.name)} {{")
    lines += [f"      {mark} {text}" for text in _pieces(record, seen)]
    return "\n".join((*lines, "    }"))


def _pieces(record: Record, seen: Observation) -> list[str]:
    """What is otherwise than recorded: piece by piece where the driver can tell, else in its words."""
    pieces = [Seen("state", record.state, seen.state)] if seen.state != record.state else []
    pieces += seen.seen
    names = [f"{escape(piece.field)}:" for piece in pieces]
    longest = max(map(width, names), default=0)
    lines = [
        f"{pad(name, longest)} {escape(piece.recorded)} -> {escape(piece.observed)}"
        for name, piece in zip(names, pieces, strict=True)
    ]
    told = [] if seen.seen or not seen.drift else [f"{pad('seen:', longest)} {escape(seen.drift)}"]
    return [*lines, *told]


def _pinned(pins: Sequence[Pin], style: Style) -> str:
    names = [escape(_prefix(pin.address)) for pin in pins]
    longest = max(map(width, names))
    lines = [f"  {pad(name, longest)}  {_commit(pin)}" for name, pin in zip(names, pins, strict=True)]
    return "\n".join((style.bold("Sub-registries are pinned to these commits:"), *lines))


def _prefix(address: Address) -> str:
    """The prefix of what the component at `address` brings."""
    registry, _, name = parse_address(address)
    return f"{registry}:{name}" if registry else name


def _commit(pin: Pin) -> str:
    moved = f" (was {escape(pin.before[:_SHORT])})" if pin.before not in {"", pin.commit} else ""
    return f"{escape(pin.commit[:_SHORT])}{moved}  {escape(pin.ref or 'pinned')} of {escape(pin.place)}"


def _guards(plan: Plan, style: Style) -> list[str]:
    found = tuple(
        Diagnostic("guard", f"The guard {guard.name!r} stops this plan", guard.message, severity=Severity.WARNING)
        for guard in plan.guards
    )
    if not found:
        return []
    from reconciler.render.diagnostics_text import render_diagnostics

    return [render_diagnostics(found, style)]
