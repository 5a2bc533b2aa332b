"""How single components are, from what the daemon reported and what is recorded; also where no daemon reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.daemon.status import Facts, Hold, judge, with_suspension
from reconciler.daemon.suspensions import covered, covering
from reconciler.model.address import Address
from reconciler.model.daemon import ComponentStatus, Suspension, SyncMode, SyncStatus, Verdict
from reconciler.model.record import Record, Status

NOBODY = "no daemon"
"""The reporter of a status that is made from the records alone."""


def without_daemon(records: Mapping[Address, Record], suspensions: Sequence[Suspension], now: str) -> SyncStatus:
    """What can be said where no daemon ever reported."""
    odd = [record for record in records.values() if record.status is not Status.OK]
    components = tuple(component_of(record.address, record, {}, suspensions, now) for record in odd)
    failed = sum(record.status is Status.FAILED for record in odd)
    return SyncStatus(
        SyncMode.PLAN_ONLY,
        "nothing",
        NOBODY,
        Verdict.FAILED if failed else Verdict.PENDING,
        recorded=len(records),
        failed=failed,
        drifted=len(odd) - failed,
        suspended=len(covered(suspensions, records)),
        components=components,
        suspensions=tuple(suspensions),
    )


def component_of(
    address: Address,
    record: Record | None,
    reported: Mapping[Address, ComponentStatus],
    suspensions: Sequence[Suspension],
    since: str,
) -> ComponentStatus:
    """The status of one component. `reported` are those that the daemon had something to say of; of any other, `since`
    is when it became what it is."""
    suspension = covering(suspensions, address)
    if address in reported:
        return with_suspension(reported[address], suspension, since)
    return judge(address, _facts(record, suspension), record.commit if record else "", None, since)


def _facts(record: Record | None, suspension: Suspension | None) -> Facts:
    if record is None:
        return Facts(pending=True, hold=Hold("NotRecorded", "It is not recorded."), suspension=suspension)
    failed = record.status is Status.FAILED
    return Facts(
        failures=max(1, record.failures) if failed else 0,
        error=record.error if failed else "",
        drift=record.error or "drifted" if record.status is Status.DRIFTED else "",
        suspension=suspension,
    )
