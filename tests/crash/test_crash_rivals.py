"""Several applies at once, and a holder of the lock that sleeps through its lease: one writes at a time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

from crash.stage import APPLY, Done, Stage, ended, write_orders

FIRST = ("thing/t01", "update")
ALL_FIRST = ("thing/t01 update", "thing/t02 stop", "echo/t03 stop", "thing/t04 update", "thing/t04 stop",
             "thing/t05 register")  # fmt: skip
REFUSALS = ("The state is locked", "The plan is stale")


def test_the_second_of_two_is_refused(stage: Stage) -> None:
    stage.order(hang=[" ".join(FIRST)])
    with stage.start(*APPLY) as first:
        stage.await_call(*FIRST)
        second = stage.run("apply", "-auto-approve")
        stage.order()
        done = ended(first)
    assert second.code == 1
    assert "locked" in second.err
    assert f"process {first.pid}" in second.err
    assert done.code == 0
    assert not stage.check(done).violations


def test_the_second_of_two_waits(stage: Stage) -> None:
    stage.order(delay=0.3)
    with stage.start(*APPLY) as first, stage.start("apply", "-auto-approve", "-lock-timeout=30s") as second:
        done, waited = ended(first), ended(second)
    assert 0 in (done.code, waited.code)
    assert {done.code, waited.code} <= {0, 1}
    said = f"{done.out}{done.err}{waited.out}{waited.err}"
    assert 1 not in (done.code, waited.code) or any(reason in said for reason in REFUSALS), said
    assert not stage.check(done).violations


def test_ten_at_once(stage: Stage) -> None:
    stage.order(delay=0.05)
    with ExitStack() as stack:
        processes = [stack.enter_context(stage.start("apply", "-auto-approve")) for _ in range(10)]
        done = [ended(process) for process in processes]
    codes = [each.code for each in done]
    for each in done:
        assert each.code == 0 or any(reason in each.err for reason in REFUSALS), each.err
    assert 0 in codes
    assert not stage.check(done[codes.index(0)]._replace(out="Apply complete!")).violations


class Sleeper(NamedTuple):
    """A holder of the lock that is stopped while its drivers hang."""

    stage: Stage
    process: Popen[str]
    orders: Path


def test_a_holder_that_slept_through_its_lease_writes_nothing(stage_for: Callable[[str], Stage]) -> None:
    """Both stores at once, since a lease takes its time."""
    with ExitStack() as stack:
        sleepers = [_fall_asleep(stage_for(store), stack) for store in ("sqlite", "postgresql")]
        rivals = [stack.enter_context(sleeper.stage.start(*APPLY, "-lock-timeout=60s")) for sleeper in sleepers]
        for sleeper, rival in zip(sleepers, rivals, strict=True):
            done = ended(rival)
            assert done.code == 0, f"{done.out[-1500:]}{done.err}"
            events = sleeper.stage.ureg("events", "list", "-json")
            woken = _wake_up(sleeper)
            assert woken.code == 1, woken.err
            assert "was lost to" in f"{woken.out}{woken.err}"
            assert sleeper.stage.ureg("events", "list", "-json") == events
            assert not sleeper.stage.check(done).violations


def _fall_asleep(stage: Stage, stack: ExitStack) -> Sleeper:
    orders = stage.folder / "sleeper.json"
    write_orders(orders, hang=ALL_FIRST)
    process = stack.enter_context(stage.start(*APPLY, environment={"LEDGER_ORDERS": str(orders)}))
    for address in ("thing/t01", "thing/t02", "echo/t03", "thing/t04", "thing/t05"):
        stage.await_call(address)
    # A program that is stopped inside of a transaction of SQLite keeps everybody from writing: then nobody takes over.
    time.sleep(0.3)
    process.send_signal(signal.SIGSTOP)
    return Sleeper(stage, process, orders)


def _wake_up(sleeper: Sleeper) -> Done:
    """Lets the drivers of the sleeper fail, so that it has something to record and no effect to add."""
    write_orders(sleeper.orders, fail=ALL_FIRST)
    sleeper.process.send_signal(signal.SIGCONT)
    return ended(sleeper.process, 30)
