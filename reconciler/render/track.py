"""Follows each component through the steps of a run, to tell what has become of it as a whole."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.model.event import StepFinished
from reconciler.model.lifecycle import ABSENT
from reconciler.model.plan import Step


class Progress(NamedTuple):
    """What is done of one component: the verbs in order, the seconds they took, and what they amount to."""

    action: Action
    verbs: tuple[str, ...]
    elapsed: float


_NOTHING = Progress(Action.NO_OP, (), 0.0)


class Track:
    """Takes the finished steps of a run in their order."""

    def __init__(self) -> None:
        self._under_way: dict[Address, Progress] = {}

    def add(self, event: StepFinished) -> Progress:
        """What is done of the step's component, this step included; after its last step it is forgotten."""
        step = event.step
        before = self._under_way.get(step.address, _NOTHING)
        progress = Progress(act(before.action, step), (*before.verbs, step.verb), before.elapsed + event.elapsed)
        if event.last or event.error:
            self._under_way.pop(step.address, None)
        else:
            self._under_way[step.address] = progress
        return progress


def act(before: Action, step: Step) -> Action:
    """What a component's steps amount to with `step`, when those before it amount to `before`."""
    if step.target == ABSENT:
        return Action.DELETE
    if step.source == ABSENT:
        return Action.CREATE if before is Action.NO_OP else Action.REPLACE
    return Action.UPDATE if before is Action.NO_OP else before
