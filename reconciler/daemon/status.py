"""From what is known of a component at the end of a cycle to its conditions, as Kubernetes has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.daemon import ComponentStatus, Condition, ConditionType, Suspension


class Hold(NamedTuple):
    """Why something that is to be done to a component is not done now: a word in CamelCase and a sentence. `ends` says
    that it will be done by itself, later."""

    reason: str
    message: str
    ends: bool = True


class Facts(NamedTuple):
    """`pending` says that a change of it is asked for and not done. `error` is its last failure, `drift` what differs
    from its record, `retry` when it is tried again."""

    pending: bool = False
    failures: int = 0
    error: str = ""
    retry: str = ""
    drift: str = ""
    hold: Hold | None = None
    suspension: Suspension | None = None


class _Claim(NamedTuple):
    status: bool
    reason: str
    message: str = ""


def judge(address: Address, facts: Facts, generation: str, before: ComponentStatus | None, now: str) -> ComponentStatus:
    """The status of a component. What has the same value as `before` holds since then."""
    known = {condition.type: condition for condition in before.conditions} if before else {}
    conditions = tuple(_condition(kind, claim, generation, known, now) for kind, claim in _claims(facts).items())
    return ComponentStatus(address, conditions, facts.failures, facts.retry)


def with_suspension(component: ComponentStatus, suspension: Suspension | None, now: str) -> ComponentStatus:
    """`component`, suspended since it was judged, or no longer."""
    *others, last = component.conditions
    known = {last.type: last}
    return component._replace(
        conditions=(*others, _condition(last.type, _suspended(suspension), last.generation, known, now))
    )


def is_plain(facts: Facts) -> bool:
    """Whether there is nothing to say of it but that it is ready."""
    return not (facts.pending or facts.failures or facts.drift or facts.hold or facts.suspension)


def _claims(facts: Facts) -> dict[ConditionType, _Claim]:
    return {
        ConditionType.READY: _ready(facts),
        ConditionType.RECONCILING: _reconciling(facts),
        ConditionType.STALLED: _stalled(facts),
        ConditionType.DRIFTED: _Claim(True, "Drifted", facts.drift) if facts.drift else _Claim(False, "AsRecorded"),
        ConditionType.SUSPENDED: _suspended(facts.suspension),
    }


def _ready(facts: Facts) -> _Claim:
    if facts.failures:
        return _Claim(False, "Failed", facts.error)
    if facts.pending:
        return _Claim(False, facts.hold.reason, facts.hold.message) if facts.hold else _Claim(False, "Pending")
    if facts.drift:
        return _Claim(False, "Drifted", facts.drift)
    return _Claim(True, "Applied")


def _reconciling(facts: Facts) -> _Claim:
    if facts.suspension or not (facts.pending or facts.failures):
        return _Claim(False, "Suspended" if facts.suspension else "Settled")
    if facts.hold:
        return _Claim(facts.hold.ends, facts.hold.reason, facts.hold.message)
    return _Claim(True, "Pending")


def _stalled(facts: Facts) -> _Claim:
    if facts.hold and not facts.hold.ends and not facts.suspension:
        return _Claim(True, facts.hold.reason, facts.hold.message)
    return _Claim(False, "Suspended" if facts.suspension else "Settled" if not facts.pending else "Pending")


def _suspended(suspension: Suspension | None) -> _Claim:
    if suspension is None:
        return _Claim(False, "NotSuspended")
    until = f" until {suspension.until}" if suspension.until else ""
    return _Claim(True, "Suspended", f"by {suspension.who}{until}: {suspension.reason}")


def _condition(
    kind: ConditionType, claim: _Claim, generation: str, known: Mapping[ConditionType, Condition], now: str
) -> Condition:
    same = known.get(kind)
    since = same.since if same and same.status == claim.status else now
    return Condition(kind, claim.status, claim.reason, claim.message, since, generation)
