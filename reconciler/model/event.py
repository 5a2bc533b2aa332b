"""What happens during a run, told to whoever listens. Events steer nothing."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from reconciler.model.plan import Step


class RunStarted(NamedTuple):
    steps: int


class StepStarted(NamedTuple):
    step: Step


class StepFinished(NamedTuple):
    """`error` is "" for a success; `elapsed` is in seconds. `last` says that it was its component's last step."""

    step: Step
    error: str
    elapsed: float
    last: bool


class StepSkipped(NamedTuple):
    """A step that did not run; `because` is the address whose failure it waits for, "" after an interrupt."""

    step: Step
    because: str


class Summary(NamedTuple):
    """How a run ended. Counts are of components; a replaced one is both added and destroyed, as in Terraform."""

    added: int = 0
    changed: int = 0
    destroyed: int = 0
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    interrupted: bool = False
    elapsed: float = 0.0


class RunFinished(NamedTuple):
    summary: Summary


Event: TypeAlias = RunStarted | StepStarted | StepFinished | StepSkipped | RunFinished
