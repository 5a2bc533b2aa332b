"""SIGINT and SIGTERM, once and twice, and a reader that goes away: the run ends soon, and its state is true."""

from __future__ import annotations

import signal
import time

import pytest
from crash.stage import APPLY, Done, Stage, ended

SIGNALS = (signal.SIGINT, signal.SIGTERM)
FIRST = ("thing/t01", "update")
"""A step that an apply starts at once."""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_one_signal_ends_the_run_after_what_runs(stage: Stage, number: signal.Signals) -> None:
    stage.order(delay=0.4)
    with stage.start(*APPLY) as process:
        stage.await_call(*FIRST)
        process.send_signal(number)
        done = ended(process, 5)
    assert done.code == 130
    assert "interrupted" in stage.ureg("runs", "list")
    stage.order()
    assert not stage.check(done).violations


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_no_step_starts_after_a_signal(sqlite_stage: Stage, number: signal.Signals) -> None:
    sqlite_stage.order(delay=0.4)
    with sqlite_stage.start(*APPLY) as process:
        sqlite_stage.await_call(*FIRST)
        process.send_signal(number)
        time.sleep(0.2)
        started = len(sqlite_stage.calls())
        ended(process, 5)
    assert len(sqlite_stage.calls()) == started


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_two_signals_end_it_at_once(stage: Stage, number: signal.Signals) -> None:
    stage.order(hang=[" ".join(FIRST)])
    with stage.start(*APPLY) as process:
        stage.await_call(*FIRST)
        process.send_signal(number)
        time.sleep(0.2)
        process.send_signal(number)
        done = ended(process, 2)
    assert done.code == 130
    stage.order()
    assert not stage.check(done).violations


def test_nobody_reads_any_more(stage: Stage) -> None:
    """As `ureg apply | head -1` does."""
    with stage.start(*APPLY) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(30) in (0, 1)
        assert process.stderr
        said = process.stderr.read()
    assert not stage.check(Done(process.returncode, "Apply complete!", said, 0)).violations
