"""A component as the drivers' tests need it: transitions and records made from a spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.record import Record, Status


class Component:
    """A component as a driver meets it: in transitions and in records."""

    def __init__(self, kind: str, name: str, state: str, spec: Mapping[str, Any]) -> None:
        self.address = f"{kind.lower()}/{name}"
        self.kind = kind
        self.state = state
        self.manifest = {"apiVersion": "ureg/v1", "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}

    def apply(self, before: Component | None = None) -> Transition:
        """The transition that creates it, or that updates it from `before`."""
        return Transition(
            key="run/1",
            address=self.address,
            kind=self.kind,
            verb="update" if before else "create",
            source=before.state if before else ABSENT,
            target=self.state,
            old=before.json() if before else b"",
            new=self.json(),
        )

    def remove(self) -> Transition:
        return Transition("run/2", self.address, self.kind, "delete", self.state, ABSENT, self.json(), b"")

    def record(self) -> Record:
        return Record(self.address, self.kind, self.state, Status.OK, "f", self.json())

    def moved(self, name: str) -> Component:
        """The component after `state mv`: with another address and the same manifest."""
        there = Component(self.kind, name, self.state, {})
        there.manifest = self.manifest
        return there

    def json(self) -> bytes:
        return orjson.dumps(self.manifest, option=orjson.OPT_SORT_KEYS)
