"""Runs, events, the lock and backups as text and as data; nothing that a stranger wrote acts on a terminal."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.history import Backup, Damage, Lock, LockInfo, PastEvent, PastRun, Run
from reconciler.render.backups_text import render_backups, render_blind_restore, render_restore
from reconciler.render.history_json import render_events_json, render_history_json, render_run_json, render_runs_json
from reconciler.render.history_text import render_chain, render_damage, render_events, render_history
from reconciler.render.lock_text import render_lock, render_lock_json
from reconciler.render.runs_text import render_run, render_runs, took
from reconciler.render.style import PLAIN, Style

COMMIT, TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "9e107d9d372bb6826bd81d3542a419d6"
APPLY = Run("0e7c1f3a-5f0d-4c1b-9a51-0d6c6f1d2b11", "apply", "ada@laptop", COMMIT, TREE)
EDIT = Run("9b2d1c55-7d5c-4b5e-8d0a-3f9d3f0f7a02", "state rm", "bob\x1b[2J@ci", "", "")
RUNS = (
    PastRun(EDIT, "2026-11-24T10:03:00.000Z", "", ""),
    PastRun(APPLY, "2026-11-24T10:00:00.250Z", "2026-11-24T10:01:15.300Z", "failed"),
)
BY_ID = {past.run.id: past for past in RUNS}
EVENTS = (
    PastEvent(1, "2026-11-24T10:00:00.250Z", APPLY.id, "", "begin", "", "", "", "apply", 0, "d1"),
    PastEvent(2, "2026-11-24T10:00:01.000Z", APPLY.id, "service/a", "start", "running", "ok", "f1", "", 1, "d2"),
    PastEvent(
        3, "2026-11-24T10:00:02.000Z", APPLY.id, "software/日本", "update", "running", "failed", "f1",
        "exit status 1\n::error::\x1b[2J", 2, "d3",
    ),
    PastEvent(4, "2026-11-24T10:02:00.000Z", "", "", "unlock", "", "", "", "took the lock of ada@laptop", 2, "d4"),
    PastEvent(5, "2026-11-24T10:03:00.100Z", EDIT.id, "service/a", "rm", "absent", "", "", "", 3, "d5"),
)  # fmt: skip
LOCK = Lock(LockInfo("6f1c", "apply", "ada@laptop", 4711), "2026-11-24T10:00:00Z", "2026-11-24T10:00:30Z", 7)
BACKUPS = (Backup("000012", 12, "2026-11-24T10:00:00.000Z"), Backup("000003", 3, "2026-11-23T09:00:00.000Z"))
DAMAGE = (Damage("event 17", "its digest does not fit"), Damage("service/a\x1b[2J", "its checksum does not fit"))
DIFFERENCES = (("service/a", "running -> absent"), ("service/b", "stopped, as it was at serial 2"))


def test_runs(golden: Any) -> None:
    golden("runs.txt", render_runs(RUNS, PLAIN))
    golden("runs.json", render_runs_json(RUNS))
    assert render_runs((), PLAIN) == "Nothing was run on this state yet.\n"


def test_one_run(golden: Any) -> None:
    golden("run.txt", render_run(RUNS[1], EVENTS[:3], PLAIN))
    golden("run.json", render_run_json(RUNS[1], EVENTS[:1]))


@pytest.mark.parametrize(
    ("started", "finished", "expected"),
    [
        ("2026-11-24T10:00:00.900Z", "2026-11-24T10:00:01.100Z", "0s"),
        ("2026-11-24T10:00:00.000Z", "2026-11-24T11:01:01.000Z", "1h1m1s"),
        ("2026-11-24T10:00:00.000Z", "2026-11-24T09:00:00.000Z", "0s"),
        ("yesterday", "2026-11-24T10:00:00Z", ""),
        ("2026-11-24T10:00:00", "2026-11-24T10:00:00Z", ""),
        ("2026-11-24T10:00:00Z", "", ""),
    ],
)
def test_how_long_a_run_took(started: str, finished: str, expected: str) -> None:
    assert took(PastRun(APPLY, started, finished, "ok")) == expected


def test_events(golden: Any) -> None:
    golden("events.txt", render_events(EVENTS, PLAIN))
    golden("events.json", render_events_json(EVENTS[:2]))
    assert render_events((), PLAIN) == "Nothing is in the log.\n"


def test_the_history_of_one_component(golden: Any) -> None:
    events = (EVENTS[1], EVENTS[4])
    golden("history.txt", render_history(events, BY_ID, PLAIN))
    golden("history.json", render_history_json("service/a", events, BY_ID))


def test_an_event_of_no_run_has_nobody() -> None:
    value = orjson.loads(render_history_json("a/b", (EVENTS[3],), BY_ID))
    assert (value["events"][0]["who"], value["events"][0]["commit"]) == ("", "")


def test_the_chain() -> None:
    assert render_chain(5, "d5", PLAIN) == "The chain is whole: 5 events, head d5\n"
    assert render_chain(1, "d1", PLAIN) == "The chain is whole: 1 event, head d1\n"
    assert render_chain(0, "", PLAIN) == "The chain is whole: no event.\n"


def test_damage_is_named_with_its_place(golden: Any) -> None:
    golden("damage.txt", render_damage(DAMAGE, PLAIN))
    assert "\x1b[31mevent 17" in render_damage(DAMAGE, Style(color=True))


def test_the_lock(golden: Any) -> None:
    golden("lock.txt", render_lock(LOCK, PLAIN))
    golden("lock.json", render_lock_json(LOCK))
    assert render_lock(None, PLAIN) == "Nobody holds the lock.\n"
    assert orjson.loads(render_lock_json(None)) == {"version": 1, "lock": None}


def test_backups(golden: Any) -> None:
    golden("backups.txt", render_backups(BACKUPS, PLAIN))
    assert render_backups((), PLAIN) == "There is no backup yet: an apply leaves one.\n"


def test_what_a_restore_would_change(golden: Any) -> None:
    golden("restore.txt", render_restore(BACKUPS[0], 40, DIFFERENCES, PLAIN))
    golden("restore_blind.txt", render_blind_restore(BACKUPS[0], "The state is damaged: no SQLite file.", PLAIN))
    assert "What is recorded now is the same." in render_restore(BACKUPS[0], 1, (), PLAIN)
    many = render_restore(BACKUPS[0], 99, DIFFERENCES * 20, PLAIN)
    assert many.splitlines()[-1] == "  and 20 more"


@given(st.text())
@settings(max_examples=60)
def test_no_text_acts_on_a_terminal(text: str) -> None:
    event = EVENTS[2]._replace(text=text, verb=text, state=text, address=text, status=text, run=text)
    past = PastRun(Run(text, text, text, text, text), text, text, text)
    lock = LOCK._replace(info=LockInfo(text, text, text, 1), created=text, expires=text)
    backup = Backup(text, 1, text)
    single = (
        (render_events((event,), PLAIN), 2),
        (render_history((event,), {text: past}, PLAIN), 2),
        (render_runs((past,), PLAIN), 2),
        (render_lock(lock, PLAIN), 8),
        (render_damage((Damage(text, text),), PLAIN), 1),
        (render_backups((backup,), PLAIN), 2),
        (render_restore(backup, 1, ((text, text),), PLAIN), 4),
        (render_blind_restore(backup, text, PLAIN), 4),
    )
    for shown, lines in single:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
        assert shown.count("\n") == lines


@given(st.text())
@settings(max_examples=40)
def test_data_loses_no_text(text: str) -> None:
    assert orjson.loads(render_events_json((EVENTS[2]._replace(text=text),)))["events"][0]["text"] == text
