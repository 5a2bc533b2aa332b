from __future__ import annotations

from reconciler.engine.schedule import Schedule
from reconciler.model.plan import Step


def step(number: int, *requires: int, queue: str = "q") -> Step:
    return Step(number, f"{queue}/{number}", "go", "absent", "present", requires)


def schedule(*steps: Step) -> Schedule:
    return Schedule(steps, queue=lambda step: step.address.partition("/")[0])


def test_a_step_waits_for_everything_it_requires() -> None:
    first, second, third = step(0), step(1), step(2, 0, 1)
    board = schedule(first, second, third)
    assert board.take("q") == (first, second)
    board.succeeded(first)
    assert not board.queues()
    board.succeeded(second)
    assert board.take("q") == (third,)
    assert not board.rest()


def test_a_failure_gives_up_what_depends_on_it_and_nothing_else() -> None:
    first, second, child, grandchild = step(0), step(1), step(2, 0), step(3, 2)
    board = schedule(first, second, child, grandchild)
    board.take("q")
    assert board.failed(first) == [child, grandchild]
    board.succeeded(second)
    assert not board.queues()
    assert not board.rest()


def test_a_step_given_up_for_one_reason_is_not_started_for_another() -> None:
    first, second, both = step(0), step(1), step(2, 0, 1)
    board = schedule(first, second, both)
    board.take("q")
    board.failed(first)
    board.succeeded(second)
    assert not board.queues()


def test_steps_wait_in_queues_of_their_own() -> None:
    ones = [step(0, queue="a"), step(1, queue="b"), step(2, queue="a")]
    board = schedule(*ones)
    assert sorted(board.queues()) == ["a", "b"]
    assert board.take("a", most=1) == (ones[0],)
    assert board.take("a") == (ones[2],)
    assert board.rest() == [ones[1]]
