"""Reports of cycles, as the loop makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.daemon import (
    ComponentStatus,
    Condition,
    ConditionType,
    CycleReport,
    SyncMode,
    SyncStatus,
    Verdict,
)
from reconciler.model.event import Summary

COMMIT = "c0ffee" * 6 + "c0ff"
NOON = "2026-11-24T12:00:00.000Z"

WELL = SyncStatus(
    SyncMode.APPLY,
    "main of origin",
    "ureg@host (1)",
    Verdict.SYNCED,
    desired=COMMIT,
    good=COMMIT,
    applied=COMMIT,
    last_run=NOON,
    applied_at=NOON,
    recorded=3,
)


def component(address: str, *holding: ConditionType, failures: int = 0, **reasons: str) -> ComponentStatus:
    """A component of which the conditions `holding` hold; `reasons` are theirs by name, and so is `message`."""
    message = reasons.get("message", "")
    conditions = (
        Condition(kind, kind in holding, reasons.get(kind.name.lower(), kind.value), message, NOON, COMMIT)
        for kind in ConditionType
    )
    return ComponentStatus(address, tuple(conditions), failures)


def report(
    *components: ComponentStatus, summary: Summary | None = None, changes: Mapping[str, int] | None = None, **facts: Any
) -> CycleReport:
    """A cycle that ended with these components not plainly ready, and `facts` in its status."""
    after = WELL._replace(components=components, **facts)
    return CycleReport(1, (), NOON, 0.25, WELL, after, summary=summary, applied=changes or {})
