"""Drift as data: each difference with its three sides and the one that moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.model.change import MISSING
from reconciler.model.drift import Divergence, Drift, Moved
from reconciler.render.json_text import dump

FORMAT_VERSION = 1


def render_drift_json(drifts: Sequence[Drift], compared: int) -> str:
    """One document. `drifted` says whether the world moved anywhere."""
    document = {
        "version": FORMAT_VERSION,
        "drifted": any(drift.moved is not Moved.GIT for drift in drifts),
        "compared": compared,
        "components": [_component(drift) for drift in drifts],
    }
    return dump(document, indent=True).decode()


def _component(drift: Drift) -> dict[str, Any]:
    return {
        "address": drift.address,
        "kind": drift.kind,
        "source": drift.source,
        "status": drift.status.value,
        "error": drift.error,
        "moved": drift.moved.value,
        "differences": [_difference(divergence) for divergence in drift.divergences],
    }


def _difference(divergence: Divergence) -> dict[str, Any]:
    """A side that has nothing there is left out."""
    facts = divergence._asdict()
    return {name: value for name, value in facts.items() if value is not MISSING}
