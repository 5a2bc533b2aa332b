"""What there is to do: the whole plan, the part of it that may be carried out now, and why the rest waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler.bootstrap import Registry
from reconciler.daemon.backoff import Failure, Retry, schedule
from reconciler.daemon.budget import Heals, spent
from reconciler.daemon.desired import InForce, sentence
from reconciler.daemon.status import Hold
from reconciler.daemon.suspensions import covered
from reconciler.engine.nodes import settle
from reconciler.engine.planning import look
from reconciler.model.address import Address, parse_address
from reconciler.model.daemon import Suspension, SyncMode
from reconciler.model.diagnostics import Diagnostics, Invalid, errors
from reconciler.model.plan import Options, Plan
from reconciler.model.record import Observation, Record, RecordedState, Status, mark
from reconciler.planner.build import build
from reconciler.ports import Moved

FAILED = f" {Status.FAILED.value}"
"""How the mark of a record ends whose last transition failed."""


class Terms(NamedTuple):
    """What holds in a cycle. `retries` and `heals` are as the cycle before left them."""

    mode: SyncMode
    suspensions: Sequence[Suspension]
    retries: Mapping[Address, Retry]
    heals: Heals
    now: str


class Survey(NamedTuple):
    """`whole` is everything that would have to change, with all drift; `plan` is what may be done now. `holds` says of
    single components why they are left out, whether or not they would change. `wanted` are the components whose change
    is asked for, and not only their drift to be mended; `unplanned` are those that differ from what is asked for and
    have no plan at all, nor what they depend on. `flapping` tells until when each is left. `problems` belong to single
    components. `force` is what is in force, with a node for whatever left that open."""

    force: InForce
    recorded: RecordedState
    whole: Plan
    plan: Plan
    holds: Mapping[Address, Hold]
    wanted: frozenset[Address]
    unplanned: frozenset[Address]
    drifted: Mapping[Address, str]
    retries: Mapping[Address, Retry]
    flapping: Mapping[Address, str]
    problems: Diagnostics


class _Seen(NamedTuple):
    observations: tuple[Observation, ...]
    blind: Mapping[str, str]
    """By the slugs of the kinds whose driver cannot look, what it says."""
    problems: Diagnostics


def survey(force: InForce, terms: Terms) -> Survey:
    """Raises Invalid and StateError where nothing can be said at all."""
    try:
        return _survey(force, terms, force.registry.store.survey())
    except Moved:
        return _survey(force, terms, force.registry.store.load())


def _survey(force: InForce, terms: Terms, recorded: RecordedState) -> Survey:
    force, visible, told = _settled(force, recorded)
    seen = _observe(force.registry, visible)
    unplaced = {found.address: _lost(found.code, sentence(found)) for found in errors(told) if found.address}
    whole, lost = _build_around(force, recorded, seen.observations, unplaced, terms.now)
    drifted = {record.address: found.drift or f"it is {found.state}" for record, found in whole.drift}
    present = marks(recorded)
    wanted = frozenset(c.address for c in whole.changes if asked_mark(force, c.address) != present.get(c.address))
    retries = schedule(terms.retries, failures(force, recorded), force.policy.backoff, terms.now)
    tired = spent(terms.heals, force.policy.heals, terms.now) if terms.mode is SyncMode.SELF_HEAL else {}
    flapping = {a: until for a, until in tired.items() if a in drifted and a not in wanted}
    holds = {**unplaced, **lost, **_holds(force, recorded, terms, seen, retries, flapping)}
    usable = [found for found in seen.observations if terms.mode is SyncMode.SELF_HEAL or found.address in wanted]
    if holds or len(usable) < len(seen.observations):
        plan, more = _build_around(force, recorded, usable, holds, terms.now)
        holds = {**holds, **more}
        plan = plan._replace(drift=whole.drift)
    else:
        plan = whole
    unplanned = _unplanned(force, present, whole) if unplaced or lost else frozenset()
    problems = (*(found for found in told if found.address not in unplaced), *seen.problems)
    return Survey(force, recorded, whole, plan, holds, wanted, unplanned, drifted, retries, flapping, problems)


def _unplanned(force: InForce, present: Mapping[Address, str], whole: Plan) -> frozenset[Address]:
    planned = {change.address for change in whole.changes}
    everything = force.desired.resources.keys() | present.keys()
    return frozenset(a for a in everything - planned if asked_mark(force, a) != present.get(a, ""))


def _settled(force: InForce, recorded: RecordedState) -> tuple[InForce, Mapping[Address, Record], Diagnostics]:
    """What is in force with a node for what left that open, the records that can be seen, and what is wrong there."""
    registry = force.registry
    settled = settle(
        force.desired,
        force.texts,
        recorded.records,
        registry.settings,
        registry.cache,
        registry.catalogue,
        registry.driver_for,
        look=True,
    )
    return force._replace(desired=settled.desired), settled.visible, settled.diagnostics


def failed_now(force: InForce) -> tuple[Mapping[Address, Failure], Mapping[Address, Record], int]:
    """What is marked as failed, the records of that, and how many records there are in all. Raises StateError."""
    store = force.registry.store
    try:
        return _failed_in(force, store.survey())
    except Moved:
        return _failed_in(force, store.load())


def _failed_in(
    force: InForce, recorded: RecordedState
) -> tuple[Mapping[Address, Failure], Mapping[Address, Record], int]:
    failed = failures(force, recorded)
    return failed, {address: recorded.records[address] for address in failed}, len(recorded.records)


def marks(recorded: RecordedState) -> Mapping[Address, str]:
    """The mark of each record."""
    if recorded.marks is not None:
        return recorded.marks
    return {address: mark(r.fingerprint, r.state, r.status) for address, r in recorded.records.items()}


def asked_mark(force: InForce, address: Address) -> str:
    """The mark that a component is to have, "" for one that is to go."""
    resource = force.desired.resources.get(address)
    return mark(resource.fingerprint, resource.state) if resource else ""


def failures(force: InForce, recorded: RecordedState) -> dict[Address, Failure]:
    """Every component whose last transition failed."""
    failed = [address for address, text in marks(recorded).items() if text.endswith(FAILED)]
    return {a: Failure(recorded.records[a].failures, asked_mark(force, a)) for a in failed}


def _observe(registry: Registry, records: Mapping[Address, Record]) -> _Seen:
    """What the drivers see. Where one cannot look, only its kinds are left out."""
    looked = look(records, registry.catalogue, registry.driver_for)
    if not looked.problems:
        return _Seen(looked.observations, {}, ())
    observations: list[Observation] = []
    blind: dict[str, str] = {}
    problems: Diagnostics = ()
    for slug, addresses in _by_kind(records).items():
        part = look({address: records[address] for address in addresses}, registry.catalogue, registry.driver_for)
        observations += part.observations
        if part.problems:
            blind[slug] = "; ".join(map(sentence, part.problems))
            problems = (*problems, *(found for found in part.problems if found not in problems))
    return _Seen(tuple(observations), blind, problems)


def _by_kind(addresses: Iterable[Address]) -> dict[str, list[Address]]:
    kinds: dict[str, list[Address]] = {}
    for address in addresses:
        kinds.setdefault(parse_address(address).kind, []).append(address)
    return kinds


def _holds(
    force: InForce,
    recorded: RecordedState,
    terms: Terms,
    seen: _Seen,
    retries: Mapping[Address, Retry],
    flapping: Mapping[Address, str],
) -> dict[Address, Hold]:
    everything = (*force.desired.resources, *recorded.records)
    holds: dict[Address, Hold] = {}
    if seen.blind:
        blind = [(address, seen.blind.get(parse_address(address).kind)) for address in everything]
        holds |= {address: Hold("NotObserved", why) for address, why in blind if why}
    holds |= {
        address: Hold("RetryScheduled", f"It is tried again at {retry.due}.")
        for address, retry in retries.items()
        if retry.due > terms.now
    }
    holds |= {
        address: Hold("Flapping", f"It drifts again and again. Its drift is left until {until}.", ends=False)
        for address, until in flapping.items()
    }
    suspended = covered(terms.suspensions, everything)
    return holds | {address: Hold("Suspended", "It is suspended.", ends=False) for address in suspended}


def _build_around(
    force: InForce,
    recorded: RecordedState,
    seen: Sequence[Observation],
    holds: Mapping[Address, Hold],
    now: str,
) -> tuple[Plan, dict[Address, Hold]]:
    """A plan without what is held, nor what there is no plan for, and the holds of the latter. Raises Invalid where
    that leads nowhere."""
    lost: dict[Address, Hold] = {}
    while True:
        options = Options(excludes=tuple({**holds, **lost}))
        limits, catalogue = force.registry.settings.guards, force.registry.catalogue
        plan, problems = build(force.desired, recorded, seen, catalogue, options, limits, now, whole=False)
        if plan is not None:
            return plan, lost
        fresh = {p.address: _lost(p.code, sentence(p)) for p in problems if p.address and p.address not in lost}
        if not fresh:
            raise Invalid(*problems)
        lost |= fresh


def _lost(code: str, message: str) -> Hold:
    """What keeps a component out of any plan. Some day its dependents may let it go; nothing else ends by itself."""
    return Hold("".join(part.capitalize() for part in code.split("-")), message, ends=code == "delete-referenced")
