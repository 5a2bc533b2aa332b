"""The loop: what comes together makes one cycle, what is due wakes it, and nothing else does."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Semaphore, Thread

from daemon.reports import WELL

from reconciler.bootstrap import SystemClock
from reconciler.daemon.due import Due
from reconciler.daemon.loop import Loop
from reconciler.daemon.times import later
from reconciler.engine.executor import Stop
from reconciler.model.daemon import CycleReport, Trigger, Why

CLOCK = SystemClock()


class Counted:
    """Cycles that note why they came; `work` is what each does."""

    def __init__(self, work: Callable[[Stop], None] = lambda stop: None) -> None:
        self.due = Due(later(CLOCK.now(), 3600), Why.INTERVAL)
        self.seen: list[list[Why]] = []
        self.work = work
        self.turned = Semaphore(0)

    def cycle(self, triggers: tuple[Trigger, ...], stop: Stop) -> CycleReport:
        self.seen.append([trigger.why for trigger in triggers])
        self.work(stop)
        self.turned.release()
        return CycleReport(len(self.seen), triggers, "", 0.0, WELL, WELL)

    def wait(self) -> None:
        assert self.turned.acquire(timeout=5)


class Running:
    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.thread = Thread(target=loop.run)

    def __enter__(self) -> Loop:
        self.thread.start()
        return self.loop

    def __exit__(self, *_: object) -> None:
        self.loop.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()


def test_the_first_cycle_comes_at_once_and_each_is_told_of() -> None:
    cycles, told = Counted(), list[CycleReport]()
    with Running(Loop(cycles, CLOCK, [told.append])) as loop:
        cycles.wait()
        loop.tell(Trigger(Why.FILES))
        cycles.wait()
    assert cycles.seen == [[Why.START], [Why.FILES]]
    assert [report.number for report in told] == [1, 2]


def test_the_first_cycle_waits_for_the_first_word_of_a_feed() -> None:
    cycles = Counted()
    with Running(Loop(cycles, CLOCK, patience=5.0)) as loop:
        assert not cycles.turned.acquire(timeout=0.1)
        loop.tell(Trigger(Why.COMMIT))
        cycles.wait()
    assert cycles.seen == [[Why.START, Why.COMMIT]]


def test_the_first_cycle_does_not_wait_for_ever_and_an_end_is_not_waited_for() -> None:
    cycles = Counted()
    with Running(Loop(cycles, CLOCK, patience=0.05)):
        cycles.wait()
    with Running(Loop(cycles, CLOCK, patience=60.0)):
        pass
    assert cycles.seen == [[Why.START]]


def test_what_comes_during_a_cycle_makes_one_more() -> None:
    go = Event()

    def work(stop: Stop) -> None:
        go.wait(5)

    cycles = Counted(work)
    with Running(Loop(cycles, CLOCK)) as loop:
        for why in (Why.COMMIT, Why.SOURCE, Why.COMMIT):
            loop.tell(Trigger(why))
        assert loop.waiting() == 3
        go.set()
        cycles.wait()
        cycles.wait()
        time.sleep(0.05)
    assert cycles.seen == [[Why.START], [Why.COMMIT, Why.SOURCE, Why.COMMIT]]


def test_what_is_due_wakes_it_and_nothing_else() -> None:
    cycles = Counted()

    def work(stop: Stop) -> None:
        seconds = 0.1 if len(cycles.seen) < 3 else 3600
        cycles.due = Due(later(CLOCK.now(), seconds), Why.RETRY)

    cycles.work = work
    with Running(Loop(cycles, CLOCK)):
        time.sleep(0.6)
    assert cycles.seen == [[Why.START], [Why.RETRY], [Why.RETRY]]


def test_a_newer_commit_ends_a_run_but_not_before_its_first_second() -> None:
    asked: list[tuple[float, bool]] = []
    begun = Event()

    def work(stop: Stop) -> None:
        began = time.monotonic()
        begun.set()
        while time.monotonic() - began < 1.3 and not stop():
            time.sleep(0.02)
        asked.append((time.monotonic() - began, stop()))

    cycles = Counted(work)
    with Running(Loop(cycles, CLOCK)) as loop:
        begun.wait(5)
        loop.tell(Trigger(Why.COMMIT))
        cycles.wait()
        cycles.wait()
    (first, ended), (second, by_itself) = asked[:2]
    assert 1.0 < first < 1.3
    assert (ended, by_itself) == (True, False)
    assert second >= 1.3


def test_a_stop_ends_a_run_at_once() -> None:
    ended = Event()

    def work(stop: Stop) -> None:
        while not stop():
            time.sleep(0.01)
        ended.set()

    cycles = Counted(work)
    with Running(Loop(cycles, CLOCK)):
        time.sleep(0.1)
    assert ended.is_set()
    assert cycles.seen == [[Why.START]]


def test_who_does_not_lead_waits_and_keeps_what_it_was_told() -> None:
    leads, cycles = Event(), Counted()
    with Running(Loop(cycles, CLOCK, leads=leads.is_set)) as loop:
        loop.tell(Trigger(Why.COMMIT, commit="c0ffee"))
        time.sleep(0.1)
        assert cycles.seen == []
        leads.set()
        loop.tell(Trigger(Why.START))
        cycles.wait()
    assert cycles.seen == [[Why.START, Why.COMMIT, Why.START]]


def test_it_says_within_which_time_it_comes_round_again() -> None:
    expected: list[float] = []
    cycles = Counted()
    with Running(Loop(cycles, CLOCK, expect=expected.append, stall=7.0)):
        cycles.wait()
        time.sleep(0.1)
    assert expected[0] == 7.0
    assert 3600 <= expected[1] <= 3631
