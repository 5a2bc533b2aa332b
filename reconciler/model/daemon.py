"""What the daemon, its feeds and its listeners hand to each other: triggers, suspensions, conditions, status, notices.

All times are RFC 3339 in UTC, "" for none. A *generation* names the desired state that a statement speaks of: the full
id of its commit, with `+TREE` behind it where the files differ from the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.event import Summary
from reconciler.model.resource import Revision


class SyncMode(StrEnum):
    PLAN_ONLY = "plan-only"
    """Reports what it would do and the drift; changes nothing."""
    APPLY = "apply"
    """Applies commits; drift is reported and left."""
    SELF_HEAL = "self-heal"
    """Applies commits and mends drift, within a budget a component."""


class Why(StrEnum):
    """What a trigger came from."""

    START = "start"
    FILES = "files"
    COMMIT = "commit"
    SOURCE = "source"
    """Nothing new to apply, but the source got into trouble or out of it."""
    INTERVAL = "interval"
    RETRY = "retry"
    """A component's back-off has run out, or a suspension has."""
    WINDOW = "window"
    NOTES = "notes"
    """Somebody suspended or resumed something."""
    RELOAD = "reload"


class Trigger(NamedTuple):
    """A reason to look again. Triggers that wait together make one cycle.

    `detail` is for people ("registry.d/a.yaml changed", "push to main"). `commit` is the full id of the commit that the
    source asks for from now on, "" where it says nothing of that (a working tree; an old commit that still holds).
    `trouble` is a sentence about what is wrong with the source (unreachable, force-pushed, not signed), "" where it is
    well. Only triggers of a feed (FILES, COMMIT, SOURCE) speak of the source; the trouble lasts until one has none.
    """

    why: Why
    detail: str = ""
    commit: str = ""
    trouble: str = ""


class Suspension(NamedTuple):
    """The daemon leaves alone what `scope` covers: an address, a kind's slug, or ALL. `until` is "" for no end."""

    scope: str
    reason: str
    who: str
    since: str
    until: str = ""


ALL = "all"


class ConditionType(StrEnum):
    READY = "Ready"
    """It is recorded as it is asked for, and nothing is known to be wrong with it."""
    RECONCILING = "Reconciling"
    """A change of it is to be made, by itself: now, at its next try, or when a window opens."""
    STALLED = "Stalled"
    """It is not as it is asked for and will not be by itself: flapping, stopped by a guard, no way there."""
    DRIFTED = "Drifted"
    SUSPENDED = "Suspended"


class Condition(NamedTuple):
    """One statement about a component, as Kubernetes has them: `status` says whether it holds, `reason` is one word in
    CamelCase, `message` a sentence for people (not escaped), `since` when `status` last changed, `generation` what it
    was judged against."""

    type: ConditionType
    status: bool
    reason: str
    message: str
    since: str
    generation: str


class ComponentStatus(NamedTuple):
    """How a component is: all five conditions, in the order of ConditionType.

    `failures` counts how often in a row it failed, `retry` is when it is tried again.
    """

    address: Address
    conditions: tuple[Condition, ...]
    failures: int = 0
    retry: str = ""

    def condition(self, kind: ConditionType) -> Condition:
        return next(condition for condition in self.conditions if condition.type is kind)

    def holds(self, kind: ConditionType) -> bool:
        return any(condition.status for condition in self.conditions if condition.type is kind)


class Verdict(StrEnum):
    """How the last cycle ended."""

    SYNCED = "synced"
    """All is as it is asked for, but for what is suspended."""
    PENDING = "pending"
    """There is something to do, and it waits: for a mode that applies, a sync window, a back-off, a resume."""
    FAILED = "failed"
    """Components failed; they are tried again."""
    REFUSED = "refused"
    """The newest desired state has errors; the last good one stays in force."""
    STOPPED = "stopped"
    """A guard stopped the plan before its first step."""
    BROKEN = "broken"
    """The cycle itself could not be done: the source, the state or a driver could not be looked at."""


class SyncStatus(NamedTuple):
    """How the registry is, as the daemon last saw it.

    `desired` is the generation that the source asks for, `good` the last one without errors, which is in force, and
    `applied` the last one that was brought about whole. `errors` are those of `desired` or of the cycle, one sentence
    each; `waits` says in a sentence why something is not done now. `components` holds those that are not plainly ready,
    by address; the counts speak of all. `pending` counts the changes that are not applied, by action.
    """

    mode: SyncMode
    source: str
    """What is watched, for people: "the working tree", "main of origin"."""
    reporter: str
    """Who reports: user@host, with the process."""
    verdict: Verdict = Verdict.PENDING
    desired: str = ""
    good: str = ""
    applied: str = ""
    trouble: str = ""
    errors: tuple[str, ...] = ()
    waits: str = ""
    last_run: str = ""
    next_run: str = ""
    applied_at: str = ""
    recorded: int = 0
    failed: int = 0
    drifted: int = 0
    suspended: int = 0
    flapping: int = 0
    pending: Mapping[str, int] = {}
    components: tuple[ComponentStatus, ...] = ()
    suspensions: tuple[Suspension, ...] = ()


class CycleReport(NamedTuple):
    """One cycle of the loop, for whoever listens: metrics, notices, logs, readiness.

    `number` counts the cycles of this process from 1, `started` is when it began and `elapsed` its seconds. `before` is
    the status before it (at the first cycle: the one in the notes), `after` the one it left. `summary` is that of its
    run, None where nothing was applied; `applied` counts the changes carried out, by action, and `healed` names those
    that only mended drift. `revision` is what it worked on, None where there was none, and `diagnostics` everything
    that was found.
    """

    number: int
    triggers: tuple[Trigger, ...]
    started: str
    elapsed: float
    before: SyncStatus
    after: SyncStatus
    revision: Revision | None = None
    summary: Summary | None = None
    applied: Mapping[str, int] = {}
    healed: tuple[Address, ...] = ()
    diagnostics: Diagnostics = ()


class NoticeKind(StrEnum):
    SYNCED = "synced"
    FAILED = "failed"
    REFUSED = "refused"
    STOPPED = "stopped"
    DRIFTED = "drifted"
    FLAPPING = "flapping"
    SOURCE = "source"
    """The source got into trouble."""
    RECOVERED = "recovered"


class Notice(NamedTuple):
    """Something that people want to be told once.

    `subject` is an address, or "" for the registry as a whole. `title` is one line, `text` what else there is to say;
    neither is escaped for any medium. `commit` is the full id of the commit it belongs to, "" for none. Two notices
    with the same `key` tell of the same lasting state.
    """

    kind: NoticeKind
    subject: Address
    title: str
    text: str
    commit: str
    key: str
