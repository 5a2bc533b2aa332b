"""Drift and health, for people and as data."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.change import MISSING
from reconciler.model.drift import Divergence, Drift, Moved
from reconciler.model.outcome import Health
from reconciler.model.record import Record, Status
from reconciler.render.drift_json import render_drift_json
from reconciler.render.drift_text import render_drift
from reconciler.render.health import render_health, render_health_json
from reconciler.render.style import PLAIN, Style

DRIFTS = (
    Drift(
        "component/new", "Component", "registry.d/new.yaml:1", Status.OK, "", Moved.GIT,
        (Divergence("state", "enabled", "absent", "absent", Moved.GIT),),
    ),
    Drift(
        "config/app", "Config", "registry.d/app.yaml:3", Status.DRIFTED, "app.json was edited", Moved.WORLD,
        (
            Divergence("mode", "0644", "0644", "0600", Moved.WORLD),
            Divergence("seen", MISSING, MISSING, "app.json was edited\x1b[2J", Moved.WORLD),
        ),
    ),
    Drift(
        "service/web", "Service", "registry.d/web.yaml:1", Status.FAILED, "exit status 3\nno room", Moved.BOTH,
        (
            Divergence("state", "stopped", "running", "absent", Moved.BOTH),
            Divergence("spec.command", ["a", "b"], ["a"], ["a"], Moved.GIT),
            Divergence("spec.env", MISSING, {"A": ""}, {"A": ""}, Moved.GIT),
            Divergence("spec.motd", "", None, None, Moved.GIT),
            Divergence("spec.replicas", 2, 1, "3", Moved.BOTH),
            Divergence("spec.text", "long " * 40, "short", "short", Moved.GIT),
        ),
    ),
)  # fmt: skip


def test_drift(golden: Any) -> None:
    golden("drift.txt", render_drift(DRIFTS, 120, PLAIN))
    golden("drift.ansi", render_drift(DRIFTS[1:2], 1, Style(color=True)))
    golden("drift.json", render_drift_json(DRIFTS, 120))


@pytest.mark.parametrize(
    ("drifts", "said", "unsaid"),
    [
        ((), "No drift: what is there is as recorded, 7 components compared.\n", "plan"),
        (
            DRIFTS[:1],
            "No drift: what is there is as recorded, 7 components compared.\nNot yet as git says: 1",
            "refresh",
        ),
        (DRIFTS[1:2], "Drift: 1 changed outside of ureg, 7 components compared.\n`ureg apply` makes", "Not yet"),
    ],
)
def test_the_end_says_what_to_do(drifts: tuple[Drift, ...], said: str, unsaid: str) -> None:
    text = render_drift(drifts, 7, PLAIN)
    assert said in text
    assert unsaid not in text


@given(st.text())
@settings(max_examples=60)
def test_no_text_acts_on_a_terminal_and_data_loses_none(text: str) -> None:
    drift = DRIFTS[2]._replace(error=text, source=text, divergences=(Divergence(text, text, text, text, Moved.BOTH),))
    shown = render_drift([drift], 1, PLAIN)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert shown.count("\n") <= 8
    (found,) = orjson.loads(render_drift_json([drift], 1))["components"]
    assert found["differences"] == [
        {"field": text, "desired": text, "recorded": text, "observed": text, "moved": "both"}
    ]


CHECKED = (
    (Record("config/app", "Config", "present", Status.DRIFTED, "f", b"{}"), Health(False, "app.json: mode 0600")),
    (Record("service/日本", "Service", "running", Status.OK, "f", b"{}"), Health(True, "ready for 3m")),
    (Record("service/web", "Service", "running", Status.FAILED, "f", b"{}"), Health(True)),
)


def test_health(golden: Any) -> None:
    golden("health.txt", render_health(CHECKED, PLAIN))
    golden("health.json", render_health_json(CHECKED))
    assert render_health(CHECKED[1:], PLAIN).endswith("\n\nAll 2 healthy.\n")
    assert render_health((), PLAIN) == "Nothing is recorded.\n"
    assert "\x1b[31m1 of 3 not healthy" in render_health(CHECKED, Style(color=True))
