"""From what a cycle found and did to the status that it leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from reconciler.daemon.act import Gate
from reconciler.daemon.backoff import Retry
from reconciler.daemon.desired import Look, sentence
from reconciler.daemon.status import Facts, Hold, is_plain, judge
from reconciler.daemon.survey import Survey
from reconciler.daemon.suspensions import covered, covering
from reconciler.model.address import Address
from reconciler.model.daemon import ComponentStatus, Suspension, SyncStatus, Verdict
from reconciler.model.record import Record

MOST_ERRORS = 20

_DEPENDS = Hold("WaitsForDependency", "It waits for what it depends on.")
_INTERRUPTED = Hold("Interrupted", "The run was ended for something newer; the next one goes on.")


class Ended(NamedTuple):
    """How a cycle ended.

    `gate` is None where the plan was carried out, or was empty; `planned` are the components that it is about, `done`
    those that were changed with success, `failing` the records that are marked as failed afterwards, `recorded` how
    many records there are, `retries` when they are tried again. `interrupted` says that the run was ended early.
    """

    look: Look
    found: Survey
    gate: Gate | None
    planned: frozenset[Address]
    done: frozenset[Address]
    failing: Mapping[Address, Record]
    recorded: int
    retries: Mapping[Address, Retry]
    interrupted: bool
    suspensions: Sequence[Suspension]
    now: str


def status_after(before: SyncStatus, ended: Ended) -> SyncStatus:
    """The status that the cycle leaves, but for when the next one is."""
    left = {c.address: c for c in ended.found.whole.changes if c.address not in ended.done}
    pending = {address: change for address, change in left.items() if address in ended.found.wanted}
    drifted = {a: text for a, text in ended.found.drifted.items() if a not in ended.done}
    waiting = pending.keys() | ended.found.unplanned
    facts = _facts(ended, left, waiting, drifted)
    active = [address for address in waiting if not facts[address].suspension]
    verdict = _verdict(ended, active, facts.values())
    whole = not waiting and not ended.failing
    good = ended.look.force.generation if ended.look.force else before.good
    everything = {*ended.found.recorded.records, *left, *waiting}
    return before._replace(
        verdict=verdict,
        desired=ended.look.generation,
        good=good,
        applied=good if whole else before.applied,
        applied_at=ended.now if whole and good != before.applied else before.applied_at,
        errors=_errors(ended),
        waits=_waits(ended, facts),
        recorded=ended.recorded,
        failed=len(ended.failing),
        drifted=len(drifted),
        suspended=len(covered(ended.suspensions, everything)),
        flapping=len(ended.found.flapping),
        pending=Counter(change.action.value for change in pending.values()),
        components=_components(before, ended, facts),
        suspensions=tuple(ended.suspensions),
    )


def _facts(
    ended: Ended, left: Iterable[Address], waiting: Set[Address], drifted: Mapping[Address, str]
) -> dict[Address, Facts]:
    own = {one.scope for one in ended.suspensions} & {*ended.found.recorded.records, *left, *waiting}
    shown = {*left, *waiting, *drifted, *ended.failing, *own}
    return {a: _fact(a, ended, a in waiting, drifted.get(a, "")) for a in sorted(shown)}


def _fact(address: Address, ended: Ended, pending: bool, drift: str) -> Facts:
    record, retry = ended.failing.get(address), ended.retries.get(address)
    return Facts(
        pending,
        max(1, record.failures) if record else 0,
        record.error if record else "",
        retry.due if retry and record else "",
        drift,
        _hold(address, ended, pending),
        covering(ended.suspensions, address),
    )


def _hold(address: Address, ended: Ended, pending: bool) -> Hold | None:
    hold = ended.found.holds.get(address)
    if hold or not pending:
        return hold
    if address not in ended.planned:
        return _DEPENDS
    if ended.gate:
        return ended.gate.hold
    if address in ended.failing:
        return Hold("RetryScheduled", f"It is tried again at {ended.retries[address].due}.")
    return _INTERRUPTED if ended.interrupted else _DEPENDS


def _verdict(ended: Ended, active: Sequence[Address], facts: Iterable[Facts]) -> Verdict:
    if ended.look.refused:
        return Verdict.REFUSED
    if ended.gate and ended.gate.is_guard:
        return Verdict.STOPPED
    broken = any(not fact.suspension and (fact.failures or _is_lost(fact)) for fact in facts)
    if broken or ended.found.problems:
        return Verdict.FAILED
    return Verdict.PENDING if active else Verdict.SYNCED


def _is_lost(fact: Facts) -> bool:
    return bool(fact.pending and fact.hold and not fact.hold.ends and fact.hold.reason != "PlanOnly")


def _errors(ended: Ended) -> tuple[str, ...]:
    found = [sentence(d) for d in ended.look.diagnostics] if ended.look.refused else []
    lost = [h.message for h in ended.found.holds.values() if not h.ends and h.reason not in {"Suspended", "Flapping"}]
    said = dict.fromkeys([*found, *map(sentence, ended.found.problems), *lost])
    return tuple(said)[:MOST_ERRORS]


def _waits(ended: Ended, facts: Mapping[Address, Facts]) -> str:
    """Why something is not done now, in one sentence; "" where nothing waits."""
    waiting = {a: fact.hold for a, fact in facts.items() if fact.pending and fact.hold}
    if ended.gate and ended.gate.hold in waiting.values():
        return ended.gate.hold.message
    if not waiting:
        return ""
    address, hold = min(waiting.items(), key=lambda item: item[1] == _DEPENDS)
    more = f" {len(waiting):,} changes are waiting in all." if len(waiting) > 1 else ""
    return f"{address}: {hold.message}{more}"


def _components(before: SyncStatus, ended: Ended, facts: Mapping[Address, Facts]) -> tuple[ComponentStatus, ...]:
    known = {component.address: component for component in before.components}
    generation = ended.look.force.generation if ended.look.force else ""
    return tuple(
        judge(address, fact, generation, known.get(address), ended.now)
        for address, fact in facts.items()
        if not is_plain(fact)
    )
