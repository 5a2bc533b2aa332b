"""Names operations for the journal, and for drivers that tell the other side by a key what is only a repetition.

An operation is one verb on one component, from one state and manifest to another. Its key begins with the run that
tried it first. Where nobody knows what came of that, because the run died, it keeps its key when it is tried again:
should it have been done after all, the other side does not do it twice. Where the driver answered that it failed, the
next try has a key of its own: to the old one the other side may give its old answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

from reconciler.model.change import Change
from reconciler.model.history import Intent
from reconciler.model.plan import Step
from reconciler.model.record import Record

_DIED = "the run {} died while it carried out {}; what is there does not match"
_UNANSWERED = re.compile(_DIED.format(r"(\S+)", r"(\S+)"))


class Keys:
    """The keys of the operations of the run `run`. `unsettled` are those of intents of earlier runs that are open."""

    def __init__(self, run: str, unsettled: Iterable[str] = ()) -> None:
        self._run = run
        self._unsettled = {key.rpartition("/")[2]: key for key in unsettled}

    def of(self, step: Step, change: Change, current: Record) -> str:
        """The key of `step`, which is part of `change` and finds the component as `current`."""
        after = change.after.fingerprint if change.after else ""
        facts = (step.address, step.verb, step.source, step.target, current.fingerprint, after)
        digest = blake2b("\0".join(facts).encode(), digest_size=16).hexdigest()
        return self._unsettled.get(digest) or f"{_unanswered(current, step.verb) or self._run}/{digest}"


def run_of(intent: Intent) -> str:
    """The id of the run that tried the operation first."""
    return intent.key.rpartition("/")[0]


def died(intent: Intent) -> str:
    """The error of a component whose operation was begun and not done, as far as can be seen."""
    return _DIED.format(run_of(intent), intent.verb)


def _unanswered(record: Record, verb: str) -> str:
    """The id of the run that died while it carried out `verb`, where `record` says so."""
    found = _UNANSWERED.fullmatch(record.error)
    return found[1] if found and found[2] == verb else ""
