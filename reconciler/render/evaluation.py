"""What a client gets for a flag, as text and as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.render.escape import headline
from reconciler.render.json_text import dump
from reconciler.render.style import Style

_LABELS = ("value", "variant", "reason", "error")
_OWN_DEFAULT = "the default in the client's own code"


def render_evaluation(evaluation: Mapping[str, Any], style: Style) -> str:
    """`evaluation` as lines: value, variant, reason, and the error where there is one."""
    told = {**evaluation, "value": _value(evaluation), "variant": evaluation["variant"] or "none"}
    lines = [f"{style.bold(f'{label}:'.ljust(9))}{headline(str(told[label]))}" for label in _LABELS if told[label]]
    return "\n".join(lines)


def render_evaluation_json(evaluation: Mapping[str, Any]) -> str:
    return dump(evaluation, indent=True).decode()


def _value(evaluation: Mapping[str, Any]) -> str:
    if evaluation["error"]:
        return ""
    return dump(evaluation["value"]).decode().strip() if evaluation["variant"] else _OWN_DEFAULT
