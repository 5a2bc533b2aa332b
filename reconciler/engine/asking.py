"""Asks drivers many things at once, in threads, each with a limit of time.

A driver that does not answer is not waited for: its thread is left alone, which does not keep the program from ending,
and an answer that still comes is ignored. What is asked here only looks, so that a late answer does no harm.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
Question: TypeAlias = Callable[[], T]


class NoAnswer(Exception):
    """Nothing came within the limit."""


def ask_all(lanes: Sequence[Sequence[Question[T]]], limit: float, most: int) -> list[list[T | Exception]]:
    """The answers in the places of their questions; an exception stands where one was raised.

    The questions of a lane are asked one after the other, those of at most `most` lanes at once. NoAnswer stands for a
    question that takes longer than `limit` seconds, and for the rest of its lane.
    """
    all_lanes = [_Lane(questions) for questions in lanes]
    waiting = deque(lane for lane in all_lanes if lane.is_open)
    running: list[_Lane[T]] = []
    answered: SimpleQueue[tuple[_Lane[T], T | BaseException]] = SimpleQueue()
    while waiting or running:
        while waiting and len(running) < most:
            running.append(waiting.popleft())
            running[-1].start(limit, answered)
        _take(answered, limit, min(lane.deadline for lane in running))
        for lane in running:
            if lane.deadline <= time.monotonic():
                lane.give_up(NoAnswer(f"It did not answer within {limit:g} seconds."))
        running = [lane for lane in running if lane.is_open]
    return [lane.answers for lane in all_lanes]


class _Lane(Generic[T]):
    def __init__(self, questions: Sequence[Question[T]]) -> None:
        self.questions = questions
        self.answers: list[T | Exception] = []
        self.deadline = 0.0
        self._given_up = False

    @property
    def is_open(self) -> bool:
        return len(self.answers) < len(self.questions)

    def start(self, limit: float, answered: SimpleQueue[tuple[_Lane[T], T | BaseException]]) -> None:
        self.deadline = time.monotonic() + limit
        try:
            Thread(target=self._ask, args=(answered,), daemon=True).start()
        except RuntimeError as error:  # the system has no more threads
            self.give_up(error)

    def take(self, answer: T | Exception, limit: float) -> None:
        if not self._given_up:
            self.answers.append(answer)
            self.deadline = time.monotonic() + limit

    def give_up(self, why: Exception) -> None:
        self._given_up = True
        self.answers += [why] * (len(self.questions) - len(self.answers))

    def _ask(self, answered: SimpleQueue[tuple[_Lane[T], T | BaseException]]) -> None:
        for question in self.questions:
            try:
                answer: T | BaseException = question()
            except BaseException as error:  # noqa: BLE001 - whatever it is, it becomes the answer
                answer = error
            answered.put((self, answer))
            if self._given_up:
                return


def _take(answered: SimpleQueue[tuple[_Lane[T], T | BaseException]], limit: float, deadline: float) -> None:
    """Waits until `deadline` for answers, and hands all that are there to their lanes."""
    patience = max(0.0, deadline - time.monotonic())
    try:
        while True:
            lane, answer = answered.get(timeout=patience)
            if isinstance(answer, BaseException) and not isinstance(answer, Exception):
                raise answer
            lane.take(answer, limit)
            patience = 0.0
    except Empty:
        return
