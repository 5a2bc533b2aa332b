"""A lifecycle: the states a component of a kind can be in, and the verbs that lead from one to another.

Two states belong to every kind and are never declared: `absent` (before it is created and after it is removed) and
`failed`, which is not a place of its own: a record keeps the state that was last reached and carries the status
`failed` until a verb succeeds again, so the next plan goes on from where the component really is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ABSENT = "absent"
FAILED = "failed"
PRESENT = "present"


class Verb(NamedTuple):
    """What a driver can be asked to do.

    `sources` are the states it starts from. `target` is the state it leads to; None keeps the state (an update).
    An `on_demand` verb is never planned, only asked for. `timeout` is in seconds; None is no limit of its own.
    """

    name: str
    sources: tuple[str, ...]
    target: str | None = None
    on_demand: bool = False
    timeout: float | None = None


class Lifecycle(NamedTuple):
    """`states` without `absent`; `default` is meant by a manifest that names no state; `aliases` maps other words
    for a verb to its name."""

    states: tuple[str, ...]
    default: str
    verbs: Mapping[str, Verb]
    aliases: Mapping[str, str]


SIMPLE = Lifecycle(
    states=(PRESENT,),
    default=PRESENT,
    verbs={
        "create": Verb("create", (ABSENT,), PRESENT),
        "update": Verb("update", (PRESENT,)),
        "delete": Verb("delete", (PRESENT,), ABSENT),
    },
    aliases={},
)
"""The lifecycle of a kind that declares none."""
