"""Which steps of a plan may run now, and which never will. Knows no driver, no thread and no state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from reconciler.model.plan import Step


class Schedule:
    """Hands out steps whose requirements have all succeeded, in the order of the plan, queue by queue.

    `queue` names the queue that a step waits in. A step is open until it is taken or given up.
    """

    def __init__(self, steps: Sequence[Step], queue: Callable[[Step], str]) -> None:
        self._steps = steps
        self._queue = queue
        self._missing = [len(step.requires) for step in steps]
        self._followers: list[list[int]] = [[] for _ in steps]
        self._open = {step.number for step in steps}
        self._ready: dict[str, deque[Step]] = {}
        for step in steps:
            for number in step.requires:
                self._followers[number].append(step.number)
            if not step.requires:
                self._enqueue(step)

    def queues(self) -> Iterable[str]:
        """The queues in which something waits."""
        return [name for name, steps in self._ready.items() if steps]

    def take(self, queue: str, most: int | None = None) -> tuple[Step, ...]:
        """The next steps of `queue`, at most `most`; they count as running from now on."""
        waiting = self._ready[queue]
        taken = tuple(waiting.popleft() for _ in range(len(waiting) if most is None else min(most, len(waiting))))
        self._open.difference_update(step.number for step in taken)
        return taken

    def succeeded(self, step: Step) -> None:
        for number in self._followers[step.number]:
            self._missing[number] -= 1
            if not self._missing[number] and number in self._open:
                self._enqueue(self._steps[number])

    def failed(self, step: Step) -> list[Step]:
        """Gives up every step that needs `step`, and returns them."""
        given_up: list[Step] = []
        pending = [step.number]
        while pending:
            for number in self._followers[pending.pop()]:
                if number in self._open:
                    self._open.discard(number)
                    given_up.append(self._steps[number])
                    pending.append(number)
        return given_up

    def rest(self) -> list[Step]:
        """The steps that are still open."""
        return [self._steps[number] for number in sorted(self._open)]

    def _enqueue(self, step: Step) -> None:
        self._ready.setdefault(self._queue(step), deque()).append(step)
