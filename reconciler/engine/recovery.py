"""Settles what runs that died left open, before anything new is planned or applied.

An intent without an outcome says that a driver was asked, not what it did. So the driver is asked what is there. If
that is what the verb was to lead to, the verb counts as done and its record is written. If not, the record from before
stands again, marked as failed, and the next plan goes on from there. Where nobody can look, the intent stays open.
Doing this twice, or dying in the middle of it, does no harm: only the state is written, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from reconciler.engine.keys import died, run_of
from reconciler.engine.nodes import where
from reconciler.engine.planning import observe_with
from reconciler.engine.records import taken_back
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid, Severity
from reconciler.model.history import Intent, Run
from reconciler.model.kind import Catalogue
from reconciler.model.lifecycle import ABSENT
from reconciler.model.record import Observation, Record
from reconciler.ports import DriverFor, Locking, StateStore, Write

VERB = "recovered"
"""What the event log calls it."""

_NAMED = 5
"""How many components a sentence names."""


class Verdict(Enum):
    FINISHED = "finished"
    TAKEN_BACK = "taken back"
    OPEN = "open"


class Recovered(NamedTuple):
    """What became of an intent that had no outcome; `why` says of one that stays open why that is so."""

    intent: Intent
    verdict: Verdict
    why: str = ""

    @property
    def run(self) -> str:
        """The id of the run that died, the first one where several did."""
        return run_of(self.intent)


def recover(
    store: StateStore, locking: Locking, catalogue: Catalogue, driver_for: DriverFor, run: Run
) -> tuple[Recovered, ...]:
    """Settles every pending intent, under the lock and as `run`. Without a lock it only tells what is pending.

    One query where nothing is. Raises Locked while the run that the intents belong to is alive, and StateError.
    """
    pending = store.pending()
    if not pending:
        return ()
    if locking.info is None:
        why = "Only who holds the lock may settle it, and -lock=false takes none."
        return tuple(Recovered(intent, Verdict.OPEN, why) for intent in pending)
    with store.write(locking.info, locking.timeout) as writer:
        found = _examine(store.pending(), catalogue, driver_for)
        if writes := [_write(one) for one in found if one.verdict is not Verdict.OPEN]:
            writer.begin(run)
            writer.settle(writes)
            writer.finish("ok")
    return found


def describe(found: Iterable[Recovered]) -> Diagnostics:
    """What to tell the user: a sentence or two for each run that died, as warnings."""
    runs: dict[tuple[str, bool], list[Recovered]] = {}
    for one in found:
        runs.setdefault((one.run, one.verdict is Verdict.OPEN), []).append(one)
    return tuple(_open(run, of) if is_open else _settled(run, of) for (run, is_open), of in runs.items())


def _examine(pending: Iterable[Intent], catalogue: Catalogue, driver_for: DriverFor) -> tuple[Recovered, ...]:
    latest = {intent.address: intent for intent in pending}
    groups: dict[tuple[str, str], list[Intent]] = {}
    for intent in latest.values():
        groups.setdefault((_driver(intent, catalogue), _node(intent, catalogue)), []).append(intent)
    return tuple(one for (name, _), intents in groups.items() for one in _ask(name, intents, driver_for))


def _node(intent: Intent, catalogue: Catalogue) -> str:
    """The node that was asked: where nobody can look at one, others are settled all the same."""
    record = _expected(intent)
    return where(record, catalogue) if record else ""


def _driver(intent: Intent, catalogue: Catalogue) -> str:
    """The name of the driver that was asked, "" where no schema describes the kind any more."""
    record = intent.after or intent.before
    kind = catalogue.kinds.get(record.kind.lower()) if record else None
    return kind.driver if kind else ""


def _ask(name: str, intents: Sequence[Intent], driver_for: DriverFor) -> list[Recovered]:
    if not name:
        return [Recovered(intent, Verdict.TAKEN_BACK) for intent in intents]
    try:
        expected = [record for intent in intents if (record := _expected(intent))]
        seen = {seen.address: seen for seen in observe_with(driver_for(name), expected)}
    except Invalid as error:
        why = " ".join(f"{finding.summary}: {finding.detail}" for finding in error.diagnostics)
        return [Recovered(intent, Verdict.OPEN, why) for intent in intents]
    return [Recovered(intent, _judge(intent, seen)) for intent in intents]


def _expected(intent: Intent) -> Record | None:
    """What the driver is asked about: the record that the verb leads to, of a removal the one that it takes away."""
    return intent.after or (intent.before if intent.source != ABSENT else None)


def _judge(intent: Intent, observations: Mapping[str, Observation]) -> Verdict:
    """Remains of what never was there cannot be seen to be gone, so clearing them is done again."""
    seen = observations.get(intent.address)
    if intent.after is None:
        done = intent.source != ABSENT and seen is not None and seen.state == ABSENT
    else:
        done = seen is None or (seen.state == intent.after.state and not seen.drift)
    return Verdict.FINISHED if done else Verdict.TAKEN_BACK


def _write(one: Recovered) -> Write:
    intent = one.intent
    if one.verdict is Verdict.FINISHED:
        return Write(intent.address, intent.after, VERB)
    error = died(intent)
    return Write(intent.address, taken_back(intent, error), VERB, error)


def _settled(run: str, of: Sequence[Recovered]) -> Diagnostic:
    done = [one for one in of if one.verdict is Verdict.FINISHED]
    undone = [one for one in of if one.verdict is Verdict.TAKEN_BACK]
    parts = [f"It had done its work for {_names(done)}, which is recorded now."] if done else []
    parts += [f"It had not for {_names(undone)}, where the next plan goes on."] if undone else []
    return _warning("run-recovered", f"The run {run} died, and what it left was settled", " ".join(parts))


def _open(run: str, of: Sequence[Recovered]) -> Diagnostic:
    return _warning(
        "run-unsettled",
        f"The run {run} died, and what it left is not settled",
        f"It was at work on {_names(of)}. {' '.join(dict.fromkeys(one.why for one in of))}",
        "Until that is settled, plans go by what was recorded before.",
    )


def _warning(code: str, summary: str, detail: str, hint: str = "") -> Diagnostic:
    return Diagnostic(code, summary, detail, hint, severity=Severity.WARNING)


def _names(of: Sequence[Recovered]) -> str:
    named = ", ".join(f"{one.intent.address} ({one.intent.verb})" for one in of[:_NAMED])
    return f"{named} and {len(of) - _NAMED:,} more" if len(of) > _NAMED else named
