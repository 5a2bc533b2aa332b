"""The status of the daemon for people and as JSON: complete, and safe whatever stands in it."""

from __future__ import annotations

import json

from daemon.reports import COMMIT, NOON, WELL, component
from engine.memory import MemoryStore

from reconciler.daemon.memory import Memory, keep, recall
from reconciler.model.daemon import ConditionType, Suspension, Verdict
from reconciler.model.history import Lock, LockInfo
from reconciler.render.status_json import status_value
from reconciler.render.status_text import render_component, render_status
from reconciler.render.style import Style

PLAIN = Style(color=False)
HOSTILE = "\x1b[31m::error::\u202egnp\n- injected"


def test_a_registry_that_is_well_is_a_few_lines() -> None:
    assert render_status(WELL, "", PLAIN) == (
        "daemon:     ureg@host (1), apply, watches main of origin\n"
        "verdict:    synced\n"
        "desired:    c0ffeec0\n"
        "applied:    c0ffeec0 at 2026-11-24T12:00:00Z\n"
        "components: 3 recorded\n"
        "last run:   2026-11-24T12:00:00Z\n"
    )


def test_a_run_under_way_is_named() -> None:
    lock = Lock(LockInfo("id", "watch", "ada@host", 7), NOON, NOON, 1)
    assert "under way:  watch by ada@host since 2026-11-24T12:00:00Z\n" in render_status(WELL, "", PLAIN, lock=lock)


def test_what_is_wrong_is_named() -> None:
    text = render_status(
        WELL._replace(
            verdict=Verdict.FAILED,
            desired=f"{COMMIT}+{COMMIT}",
            trouble="The remote is away.",
            errors=("a.yaml:1:2: no",),
            waits="one/a: It is tried again at noon.",
            failed=1,
            pending={"create": 2},
            components=(
                component("one/a", ConditionType.RECONCILING, failures=3, ready="Failed", message="no space"),
                component("one/b", ConditionType.DRIFTED, drifted="Drifted", message="value 99"),
            ),
            suspensions=(Suspension("engine", "maintenance", "ada@host", NOON),),
        ),
        "",
        PLAIN,
    )
    for part in (
        "c0ffeec0 with changes",
        "in force:   c0ffeec0",
        "3 recorded, 1 failed",
        "2 to create",
        "The remote is away.",
        "a.yaml:1:2: no",
        "engine",
        "maintenance",
        "one/a      not Ready  Failed",
        "one/b      Drifted    Drifted",
        "value 99",
    ):
        assert part in text


def test_no_text_of_a_stranger_gets_through() -> None:
    status = WELL._replace(
        trouble=HOSTILE,
        errors=(HOSTILE,),
        waits=HOSTILE,
        source=HOSTILE,
        components=(component("one/a", ConditionType.DRIFTED, message=HOSTILE),),
        suspensions=(Suspension("all", HOSTILE, HOSTILE, NOON),),
    )
    for text in (render_status(status, "", PLAIN), render_component(status.components[0], PLAIN)):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\n- injected" not in text


def test_a_component_shows_all_its_conditions() -> None:
    text = render_component(component("one/a", ConditionType.STALLED, failures=2), PLAIN)
    assert text.startswith("one/a\nCONDITION    STATUS  REASON")
    assert [line.split()[:2] for line in text.splitlines()[2:7]] == [
        ["Ready", "False"],
        ["Reconciling", "False"],
        ["Stalled", "True"],
        ["Drifted", "False"],
        ["Suspended", "False"],
    ]
    assert "2 failures in a row." in text


def test_the_json_is_what_the_state_keeps() -> None:
    notes = MemoryStore().notes
    status = WELL._replace(
        components=(component("one/a", ConditionType.STALLED, failures=2),),
        suspensions=(Suspension("all", "x", "me", NOON, NOON),),
        pending={"update": 1},
        errors=("x",),
    )
    kept = keep(notes, Memory(status, {}, {"one/a": (NOON,)}))
    assert recall(notes) == kept
    assert json.loads(notes.kept["daemon/status"].body)["status"] == status_value(status)
    condition = status_value(status)["components"][0]["conditions"][2]
    assert condition == {
        "type": "Stalled",
        "status": "True",
        "reason": "Stalled",
        "message": "",
        "lastTransitionTime": NOON,
        "observedGeneration": COMMIT,
    }
