"""Many questions at once: answers in their places, exceptions as answers, silence given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from reconciler.engine.asking import NoAnswer, ask_all


@pytest.fixture
def never() -> Iterator[Callable[[], int]]:
    """A question that is not answered before the test is over."""
    over = threading.Event()

    def question() -> int:
        over.wait()
        return 0

    yield question
    over.set()


def test_answers_stand_in_the_places_of_their_questions() -> None:
    lanes = [[partial(int, f"{lane}{place}") for place in range(3)] for lane in range(5)]
    assert ask_all(lanes, 10, 2) == [[lane * 10 + place for place in range(3)] for lane in range(5)]
    assert ask_all([], 10, 2) == []
    assert ask_all([[], [lambda: 1], []], 10, 1) == [[], [1], []]


def test_an_exception_is_an_answer() -> None:
    lanes: list[list[Callable[[], int]]] = [[partial(int, "x"), partial(int, "2")], [partial(int, "3")]]
    first, second = ask_all(lanes, 10, 5)
    assert isinstance(first[0], ValueError)
    assert [repr(answer) for answer in (*first[1:], *second)] == ["2", "3"]


def slow() -> int:
    time.sleep(0.02)
    return 1


def test_silence_gives_up_the_lane_and_holds_up_no_other(never: Callable[[], int]) -> None:
    began = time.monotonic()
    silent, talking = ask_all([[lambda: 1, never, lambda: 3], [slow] * 10], 0.1, 2)
    assert silent[0] == 1
    assert [str(answer) for answer in silent[1:]] == ["It did not answer within 0.1 seconds."] * 2
    assert all(isinstance(answer, NoAnswer) for answer in silent[1:])
    assert talking == [1] * 10
    assert time.monotonic() - began < 5


def test_silence_makes_room_for_the_next_lane(never: Callable[[], int]) -> None:
    answers = ask_all([[never], [never], [lambda: 1]], 0.05, 1)
    assert [isinstance(answer, NoAnswer) for (answer,) in answers] == [True, True, False]


def test_no_more_lanes_at_once_than_allowed_and_one_question_of_each() -> None:
    lock, running, most = threading.Lock(), [0, 0, 0, 0], [0]

    def question(lane: int) -> None:
        with lock:
            running[lane] += 1
            assert running[lane] == 1
            most[0] = max(most[0], sum(running))
        time.sleep(0.005)
        with lock:
            running[lane] -= 1

    answers = ask_all([[partial(question, lane)] * 5 for lane in range(4)], 10, 3)
    assert answers == [[None] * 5] * 4
    assert most[0] <= 3


def test_what_is_no_mere_failure_ends_the_asking() -> None:
    def end() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask_all([[end]], 10, 1)


def test_without_threads_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    ((answer,),) = ask_all([[lambda: 1]], 10, 1)
    assert isinstance(answer, RuntimeError)
