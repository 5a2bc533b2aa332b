"""Decides which notices follow from a status. What is wrong and lasts is said once, and its end is said once.

It works on what is the case and on what people were told, and never on the way from one status to the next: so a
restart, a new leader or a cycle that was missed neither repeats a notice nor swallows one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple, TypeAlias

from reconciler.daemon.times import moment
from reconciler.model.address import Address
from reconciler.model.daemon import ComponentStatus, ConditionType, CycleReport, Notice, NoticeKind, SyncStatus, Verdict


class Entry(NamedTuple):
    """A state that people were told of, and when they last were."""

    kind: NoticeKind
    subject: Address
    at: str


Told: TypeAlias = Mapping[str, Entry]
"""What people know, by the keys of the notices."""

MOST_AT_ONCE = 5
"""More components than this that get into one state in one cycle are told of in one notice."""

_MOST_NAMED = 20
FLAPPING = "Flapping"
"""The reason of a condition Stalled that says that a component drifts faster than it may be mended."""

_ENDED = {
    NoticeKind.FAILED: "does not fail any more",
    NoticeKind.DRIFTED: "does not drift any more",
    NoticeKind.FLAPPING: "does not flap any more",
    NoticeKind.REFUSED: "has no errors any more",
    NoticeKind.STOPPED: "is not stopped by a guard any more",
    NoticeKind.SOURCE: "has a sound source again",
}
_MANY = {NoticeKind.FAILED: "failed", NoticeKind.DRIFTED: "drifted", NoticeKind.FLAPPING: "are flapping"}


def decide(report: CycleReport, told: Told, now: str, remind_after: float = 0) -> tuple[tuple[Notice, ...], Told]:
    """The notices to send after a cycle, and what people know then. `now` is RFC 3339; a trouble that lasts longer than
    `remind_after` seconds is said again, with 0 never."""
    present = {notice.key: notice for notice in _present(report)}
    kept = {key: told[key] for key in present if key in told and not _is_over(told[key], now, remind_after)}
    fresh = [notice for key, notice in present.items() if key not in kept]
    gone = {key: entry for key, entry in told.items() if key not in present}
    unseen = _unseen(gone, report.after)
    recovered = _recovered({key: gone[key] for key in gone if key not in unseen}, present.values(), report.after)
    known = {notice.key: Entry(notice.kind, notice.subject, now) for notice in fresh}
    return tuple(_gathered([*recovered, *fresh])), {**kept, **unseen, **known}


def _present(report: CycleReport) -> Iterator[Notice]:
    status = report.after
    yield from _registry(status)
    for component in status.components:
        if not component.holds(ConditionType.SUSPENDED):
            yield from _component(component)
    if status.applied:
        yield _synced(report)


def _registry(status: SyncStatus) -> Iterator[Notice]:
    errors = "\n".join(status.errors)
    commit = commit_of(status.desired)
    name = short(status.desired)
    if status.trouble:
        # A sentence may count: what differs in its numbers alone is the same trouble.
        key = f"source/{re.sub('[0-9]+', '#', status.trouble)}"
        yield Notice(NoticeKind.SOURCE, "", "The source is in trouble", status.trouble, commit, key)
    if status.verdict is Verdict.REFUSED:
        title = f"Commit {name} is refused: it has errors"
        yield Notice(NoticeKind.REFUSED, "", title, errors, commit, f"refused/{status.desired}")
    elif status.verdict is Verdict.STOPPED:
        title = f"A guard stops commit {name}"
        text = "\n".join(filter(None, (errors, status.waits)))
        yield Notice(NoticeKind.STOPPED, "", title, text, commit, f"stopped/{status.desired}")
    elif status.verdict is Verdict.BROKEN:
        yield Notice(NoticeKind.FAILED, "", "The registry cannot be reconciled", errors, commit, "failed/")


def _component(component: ComponentStatus) -> Iterator[Notice]:
    stalled = component.condition(ConditionType.STALLED)
    drifted = component.condition(ConditionType.DRIFTED)
    name = component.address
    if stalled.status and stalled.reason == FLAPPING:
        commit = commit_of(stalled.generation)
        yield Notice(NoticeKind.FLAPPING, name, f"{name} is flapping", stalled.message, commit, f"flapping/{name}")
    elif drifted.status:
        commit = commit_of(drifted.generation)
        yield Notice(NoticeKind.DRIFTED, name, f"{name} drifted", drifted.message, commit, f"drifted/{name}")
    if component.failures:
        ready = component.condition(ConditionType.READY)
        yield Notice(
            NoticeKind.FAILED, name, f"{name} failed", ready.message, commit_of(ready.generation), f"failed/{name}"
        )


def _synced(report: CycleReport) -> Notice:
    status = report.after
    counts = ", ".join(f"{action} {count}" for action, count in sorted(report.applied.items()) if count)
    text = f"Applied: {counts}." if counts else "There was nothing to change."
    title = f"Commit {short(status.applied)} is applied"
    return Notice(NoticeKind.SYNCED, "", title, text, commit_of(status.applied), f"synced/{status.applied}")


def _is_over(entry: Entry, now: str, remind_after: float) -> bool:
    """Whether it is so long ago that people were told that they are to be told again."""
    if not remind_after or entry.kind is NoticeKind.SYNCED:
        return False
    return (moment(now) - moment(entry.at)).total_seconds() >= remind_after


def _unseen(gone: Told, status: SyncStatus) -> Told:
    """Those of `gone` of which the status cannot say that they have ended: nobody looked, or they are left alone."""
    suspended = {c.address for c in status.components if c.holds(ConditionType.SUSPENDED)}

    def is_unseen(key: str, entry: Entry) -> bool:
        if entry.kind is NoticeKind.SYNCED:
            return not status.applied
        if entry.kind is NoticeKind.SOURCE:
            return False
        return status.verdict is Verdict.BROKEN or entry.subject in suspended or _is_hidden(key, entry.kind, status)

    return {key: entry for key, entry in gone.items() if is_unseen(key, entry)}


def _is_hidden(key: str, kind: NoticeKind, status: SyncStatus) -> bool:
    """Whether a bad commit may be as bad as it was, behind a verdict that speaks of something else."""
    if status.verdict is Verdict.PENDING:
        return key == f"{kind}/{status.desired}"
    return status.verdict is Verdict.REFUSED and kind is NoticeKind.STOPPED


def _recovered(gone: Told, present: Iterable[Notice], status: SyncStatus) -> list[Notice]:
    """A state has ended where none of its kind has taken its place: the next bad commit is no recovery."""
    lasting = {(notice.kind, notice.subject) for notice in present}
    lasting |= {(NoticeKind.DRIFTED, subject) for kind, subject in lasting if kind is NoticeKind.FLAPPING}
    return [
        Notice(
            NoticeKind.RECOVERED,
            entry.subject,
            f"{entry.subject or 'The registry'} {_ENDED[entry.kind]}",
            "",
            commit_of(status.desired),
            f"recovered/{key}",
        )
        for key, entry in gone.items()
        if entry.kind in _ENDED and (entry.kind, entry.subject) not in lasting
    ]


def _gathered(notices: Iterable[Notice]) -> Iterator[Notice]:
    """`notices`, with those of many components in one state made one. The news that a commit is applied comes last."""
    kinds = list(NoticeKind)
    ordered = sorted(notices, key=lambda n: (n.kind is NoticeKind.SYNCED, bool(n.subject), kinds.index(n.kind)))
    for (kind, of_component), group in groupby(ordered, key=lambda notice: (notice.kind, bool(notice.subject))):
        alike = list(group)
        if of_component and len(alike) > MOST_AT_ONCE:
            yield _digest(kind, alike)
        else:
            yield from alike


def _digest(kind: NoticeKind, alike: list[Notice]) -> Notice:
    lines = [f"{notice.title}: {notice.text}" if notice.text else notice.title for notice in alike[:_MOST_NAMED]]
    if len(alike) > _MOST_NAMED:
        lines.append(f"and {len(alike) - _MOST_NAMED:,} more")
    title = f"{len(alike):,} components {_MANY.get(kind, 'are well again')}"
    return Notice(kind, "", title, "\n".join(lines), alike[0].commit, f"{kind}/many")


def commit_of(generation: str) -> str:
    """The commit of a generation, which may have a tree behind it."""
    return generation.partition("+")[0]


def short(generation: str) -> str:
    """A generation as people are shown it."""
    commit, changed, _ = generation.partition("+")
    return f"{commit[:12] or 'none'}{' with changes' if changed else ''}"
