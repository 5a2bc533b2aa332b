"""SIGKILL at the boundaries of the journal, inside of drivers, at random moments, and in the recovery from a kill."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from crash import killing
from crash.killing import Tally
from crash.ledger.ureg_ledger import POINTS
from crash.stage import APPLY, Stage

Note = Callable[[str, object], None]
PARTS = range(3)
"""Tests that share the kills of one sort, so that several processes can take them."""


def few(crash_runs: int, number: int) -> int:
    """How many to try in each part: `number` in an ordinary run, all that there are in a long one."""
    return 0 if crash_runs else number


@pytest.mark.parametrize("part", PARTS)
def test_killed_at_a_boundary_of_the_journal(stage: Stage, part: int, crash_runs: int, record_property: Note) -> None:
    tally = Tally(stage, record_property)
    mine = killing.boundaries(stage, killing.JOURNAL[stage.store])[part :: len(PARTS)]
    for boundary in killing.spread(mine, few(crash_runs, 4)):
        stage.restore()
        tally.judge(boundary, killing.kill_at(stage, boundary))
    tally.close()


@pytest.mark.parametrize("part", PARTS)
def test_killed_at_a_write(stage: Stage, part: int, crash_runs: int, record_property: Note) -> None:
    tally = Tally(stage, record_property)
    mine = killing.boundaries(stage, killing.WRITES)[part :: len(PARTS)]
    for boundary in killing.spread(mine, few(crash_runs, 1)):
        stage.restore()
        tally.judge(boundary, killing.kill_at(stage, boundary))
    tally.close()


@pytest.mark.parametrize("point", POINTS)
def test_killed_inside_of_a_driver(stage: Stage, point: str, crash_runs: int, record_property: Note) -> None:
    tally = Tally(stage, record_property)
    for count in range(1, 40) if crash_runs else (2,):
        stage.restore()
        stage.order(die=[point, count])
        crashed = stage.run(*APPLY)
        if crashed.code == 0:
            break
        stage.order()
        tally.judge(f"{point} {count}", crashed)
    tally.close()


@pytest.mark.parametrize("part", PARTS)
def test_killed_at_a_random_moment(stage: Stage, part: int, crash_runs: int, record_property: Note) -> None:
    tally = Tally(stage, record_property)
    for seconds in killing.moments(stage, crash_runs // len(PARTS) or 2, f"{stage.store} {part}"):
        stage.restore()
        tally.judge(f"{seconds} s", killing.kill_within(stage, seconds))
    tally.close()


@pytest.mark.parametrize("part", PARTS)
def test_killed_again_in_the_recovery(stage: Stage, part: int, crash_runs: int, record_property: Note) -> None:
    tally = Tally(stage, record_property)
    places = killing.boundaries(stage, killing.JOURNAL[stage.store])
    choice = random.Random(f"{stage.store} {part}")
    for _ in range(crash_runs // len(PARTS) or 1):
        stage.restore()
        stage.order(die=[choice.choice(POINTS), choice.randint(1, 8)])
        first = stage.run(*APPLY)
        stage.order()
        boundary = choice.choice(places)
        second = killing.kill_at(stage, boundary)
        tally.judge(f"a point of a driver, then {boundary}", killing.joined(first, second))
    tally.close()
