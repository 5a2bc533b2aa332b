"""Lays out one change of a plan: what will happen to the component, why, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.model.address import parse_address
from reconciler.model.change import Action, Change, Reason
from reconciler.model.kind import NO_FIELDS, Field, only_sensitive
from reconciler.model.lifecycle import ABSENT
from reconciler.render.differences_text import differences_text
from reconciler.render.escape import escape, headline, quote
from reconciler.render.style import Style
from reconciler.render.values import annotated, properties

_INDENT = 6
_HEADS = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated in-place",
    Action.REPLACE: "must be replaced",
    Action.DELETE: "will be destroyed",
}


class Symbol(NamedTuple):
    """The three columns in front of a change, and the mark of its lines in one."""

    wide: str
    mark: str


@lru_cache(maxsize=2)
def symbols(style: Style) -> Mapping[Action, Symbol]:
    add, change, remove = style.green("+"), style.yellow("~"), style.red("-")
    return {
        Action.CREATE: Symbol(f"  {add}", add),
        Action.UPDATE: Symbol(f"  {change}", change),
        Action.REPLACE: Symbol(f"{remove}/{add}", change),
        Action.DELETE: Symbol(f"  {remove}", remove),
    }


def secrets_of(fields: Mapping[str, Field]) -> Mapping[str, Field | None]:
    """What is secret in the manifests of each kind; None where nothing is."""
    return {slug: annotated(only_sensitive(field)) for slug, field in fields.items()}


def change_text(change: Change, style: Style, fields: Mapping[str, Field], secrets: Mapping[str, Field | None]) -> str:
    """The block of `change`, with the comments above it and without a line end."""
    parts = parse_address(change.address)
    symbol = symbols(style)[change.action]
    lines = [style.bold(f"  # {escape(change.address)} {_head(change)}")]
    lines += [style.dim(f"  # ({escape(comment)})") for comment in _comments(change)]
    lines.append(f"{symbol.wide} {escape(parts.kind)} {quote(parts.name)} {{")
    lines.append(f"{' ' * _INDENT}{symbol.mark} state: {_path(change)}")
    if change.before and change.after:
        field = fields.get(parts.kind, NO_FIELDS)
        lines += differences_text(change.differences, shown(change.after.body()), style, _INDENT, field)
    elif side := change.after or change.before:
        lines += properties(shown(side.body()), symbol.mark, _INDENT, secrets.get(parts.kind))
    lines.append("    }")
    return "\n".join(lines)


def _head(change: Change) -> str:
    if change.reason is Reason.REQUESTED:
        return "will be replaced, as requested"
    if change.action is Action.UPDATE and not change.differences and change.before and change.after:
        before, after = change.before.state, change.after.state
        if before != after:
            return f"will go from {escape(before)} to {escape(after)}"
    return _HEADS[change.action]


def _comments(change: Change) -> list[str]:
    comments = [comment] if (comment := _reason(change)) else []
    if change.source:
        gone = change.after is None
        comments.append(f"was at {change.source}" if gone else f"at {change.source}")
    if change.dependents and change.action in (Action.REPLACE, Action.DELETE):
        first, *more = change.dependents
        comments.append(f"{first} and {len(more)} more depend on it" if more else f"{first} depends on it")
    return comments


def _reason(change: Change) -> str:
    detail = f": {headline(change.detail)}" if change.detail else ""
    if change.reason is Reason.NOT_IN_CONFIGURATION:
        return f"because {change.address} is not in configuration"
    if change.reason is Reason.FAILED:
        return f"because its last transition failed{detail}"
    if change.reason is Reason.DRIFTED:
        return f"because it drifted{detail}"
    return change.detail


def _path(change: Change) -> str:
    """The states that the component goes through, and the verbs that lead there."""
    before = change.before.state if change.before else ABSENT
    after = change.after.state if change.after else ABSENT
    states = [before, ABSENT, after] if change.action is Action.REPLACE else [before, after]
    way = before if states == [after, after] else " -> ".join(states)
    return escape(f"{way} ({', '.join(change.verbs)})" if change.verbs else way)


def shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without what its header already says."""
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    metadata = rest.get("metadata")
    if isinstance(metadata, dict):
        rest["metadata"] = {key: value for key, value in metadata.items() if key != "name"}
        if not rest["metadata"]:
            del rest["metadata"]
    return rest
