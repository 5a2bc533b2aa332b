"""Plans a verb that is never planned, only asked for: one step for each of some recorded components.

The plan leaves every manifest as it was last applied, so that nothing that waits in git comes in by the way. It is
carried out like any other: under the lock, journalled, and recovered after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.engine.choosing import unknown_component
from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Reason, Side
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.kind import Catalogue, Kind
from reconciler.model.lifecycle import Verb
from reconciler.model.plan import Base, Options, Plan
from reconciler.model.record import Record, RecordedState
from reconciler.model.resource import Revision
from reconciler.planner.decide import Move
from reconciler.planner.order import arrange

_NOTHING_NEW = Revision("", "", dirty=False)


def on_demand(
    word: str, addresses: Sequence[Address], recorded: RecordedState, catalogue: Catalogue, created_at: str
) -> Plan:
    """The plan that carries out the verb `word` (or what it is an alias of) on `addresses`, what others depend on
    first. Raises Invalid with every component that cannot take it. `created_at` is RFC 3339, in UTC."""
    records = recorded.records
    chosen = set(addresses)
    moves = [
        _move(word, records[address], catalogue) if address in records else unknown_component(address, records)
        for address in sorted(chosen)
    ]
    problems = [move for move in moves if isinstance(move, Diagnostic)]
    if problems:
        raise Invalid(*problems)
    changes, steps = arrange((move for move in moves if isinstance(move, Move)), {}, records)
    return Plan(
        options=Options(),
        base=Base(recorded.lineage, recorded.serial),
        revision=_NOTHING_NEW,
        schemas=catalogue.digest,
        changes=changes,
        steps=steps,
        unchanged=tuple(record for address, record in sorted(records.items()) if address not in chosen),
        drift=(),
        guards=(),
        created_at=created_at,
    )


def _move(word: str, record: Record, catalogue: Catalogue) -> Move | Diagnostic:
    kind = catalogue.kinds.get(record.kind.lower())
    if kind is None:
        return _refused(record, word, f"No schema describes the kind {record.kind}.", "Bring its schema back.")
    lifecycle = kind.lifecycle
    verb = lifecycle.verbs.get(lifecycle.aliases.get(word, word))
    if verb is None or not verb.on_demand:
        return _refused(record, word, _verbs(kind), f"`ureg lifecycle {kind.slug}` shows them all.")
    if record.state not in verb.sources:
        sources = " or ".join(verb.sources)
        detail = f"It is {record.state}, and {verb.name} starts from {sources}."
        return _refused(record, word, detail, f"Bring it to {sources} first, by its manifest and `ureg apply`.")
    return Move(_change(record, kind, verb), (verb,))


def _change(record: Record, kind: Kind, verb: Verb) -> Change:
    before = Side(record.state, record.fingerprint, record.manifest, record.dependencies)
    return Change(
        address=record.address,
        kind=record.kind,
        driver=kind.driver,
        action=Action.UPDATE,
        reason=Reason.NONE,
        before=before,
        after=before._replace(state=verb.target or record.state),
        verbs=(verb.name,),
        differences=(),
        source=record.source,
    )


def _verbs(kind: Kind) -> str:
    """What can be asked of components of `kind`, and what cannot."""
    verbs = kind.lifecycle.verbs.values()
    asked = ", ".join(verb.name for verb in verbs if verb.on_demand)
    planned = ", ".join(verb.name for verb in verbs if not verb.on_demand)
    known, its = (f"on demand: {asked}", "Its other") if asked else ("no verb on demand", "Its")
    return f"The kind {kind.name} has {known}. {its} verbs are for applies, as the manifest asks: {planned}."


def _refused(record: Record, word: str, detail: str, hint: str) -> Diagnostic:
    return Diagnostic("verb-refused", f"{record.address} cannot {word}", detail, hint, address=record.address)
