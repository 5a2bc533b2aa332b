"""The status of the daemon as JSON: what `ureg status -json` writes, and what the state keeps."""

from __future__ import annotations

from typing import Any

from reconciler.model.daemon import ComponentStatus, Condition, Suspension, SyncStatus


def status_value(status: SyncStatus) -> dict[str, Any]:
    """Its keys as Kubernetes writes them. Times are RFC 3339 in UTC, "" for none."""
    return {
        "mode": status.mode.value,
        "source": status.source,
        "reporter": status.reporter,
        "verdict": status.verdict.value,
        "desired": status.desired,
        "good": status.good,
        "applied": status.applied,
        "appliedAt": status.applied_at,
        "trouble": status.trouble,
        "errors": list(status.errors),
        "waits": status.waits,
        "lastRun": status.last_run,
        "nextRun": status.next_run,
        "recorded": status.recorded,
        "failed": status.failed,
        "drifted": status.drifted,
        "suspended": status.suspended,
        "flapping": status.flapping,
        "pending": dict(status.pending),
        "components": [component_value(component) for component in status.components],
        "suspensions": [suspension_value(suspension) for suspension in status.suspensions],
    }


def component_value(component: ComponentStatus) -> dict[str, Any]:
    return {
        "address": component.address,
        "conditions": [_condition(condition) for condition in component.conditions],
        "failures": component.failures,
        "retry": component.retry,
    }


def suspension_value(suspension: Suspension) -> dict[str, Any]:
    return suspension._asdict()


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type.value,
        "status": "True" if condition.status else "False",
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": condition.since,
        "observedGeneration": condition.generation,
    }
