"""Tells people what each cycle came to. What they were told is kept in the notes, so that the next process knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from reconciler.daemon.notices import Entry, Told, decide
from reconciler.model.daemon import CycleReport, Notice, NoticeKind
from reconciler.ports import Note, NoteMoved, Notes, Notifier, StateError

KEY = "notices/told"
_TRIES = 3


class Herald:
    """Listens to the reports of the loop. `now` gives the time of day in RFC 3339; `remind_after` is in seconds, 0 for
    never."""

    def __init__(
        self, notes: Notes, notifiers: Sequence[Notifier], now: Callable[[], str], remind_after: float = 0
    ) -> None:
        self._notes = notes
        self._notifiers = notifiers
        self._now = now
        self._remind_after = remind_after
        self._known: Told = {}
        self._is_noted = True
        """Whether the notes hold what was said last; not so while the state could not be written."""

    def __call__(self, report: CycleReport) -> None:
        # Noted first and said then: a process that dies in between stays silent once, where the other way round
        # it would say it again at each of its deaths.
        for notice in self._news(report):
            for notifier in self._notifiers:
                notifier.tell(notice)

    def _news(self, report: CycleReport) -> Sequence[Notice]:
        for _ in range(_TRIES):
            try:
                return self._noted(report)
            except NoteMoved:
                continue
            except StateError:
                break
        self._is_noted = False
        notices, self._known = decide(report, self._known, self._now(), self._remind_after)
        return notices

    def _noted(self, report: CycleReport) -> Sequence[Notice]:
        note = self._notes.get(KEY)
        before = _read(note)
        notices, known = decide(report, before if self._is_noted else self._known, self._now(), self._remind_after)
        if known != before:
            self._notes.put(KEY, _dump(known), note.version if note else 0)
        self._known, self._is_noted = known, True
        return notices


def _read(note: Note | None) -> Told:
    entries = orjson.loads(note.body) if note else {}
    return {key: Entry(NoticeKind(kind), subject, at) for key, (kind, subject, at) in entries.items()}


def _dump(told: Told) -> bytes:
    return orjson.dumps({key: list(entry) for key, entry in told.items()})
