"""A world of Things and the drivers that act on it: what is there, and everything that was done to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.kind import NO_FIELDS, Catalogue, Kind
from reconciler.model.lifecycle import ABSENT, Lifecycle, Verb
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.model.resource import DesiredState, Resource, Revision

LIFECYCLE = Lifecycle(
    states=("registered", "running"),
    default="running",
    verbs={
        "register": Verb("register", (ABSENT,), "registered"),
        "start": Verb("start", ("registered",), "running"),
        "stop": Verb("stop", ("running",), "registered"),
        "update": Verb("update", ("registered", "running")),
        "remove": Verb("remove", ("registered",), ABSENT),
    },
    aliases={},
)


def kind(name: str, driver: str) -> Kind:
    return Kind(
        name, name.lower(), f"{name.lower()}s", (), driver, LIFECYCLE, "", lambda: NO_FIELDS, {}, f"{name}.json"
    )


CATALOGUE = Catalogue({"one": kind("One", "single"), "many": kind("Many", "bulk")}, "digest", {})


def resource(address: str, state: str = "running", value: int = 1) -> Resource:
    slug, _, name = address.partition("/")
    manifest = orjson.dumps({"kind": slug.capitalize(), "metadata": {"name": name}, "spec": {"value": value}})
    return Resource(address, slug.capitalize(), state, f"print-{value}", manifest, (), "a.yaml", 0, 1)


def desired(*resources: Resource) -> DesiredState:
    return DesiredState({r.address: r for r in resources}, Revision("c0ffee", "tree", dirty=False), "schemas")


class Thing(NamedTuple):
    """What is there of a component; `half` says that a verb on it did not come to its end."""

    state: str
    value: int
    half: bool = False


class World:
    """What is there. `before` is called with each transition before it has its effect, and may raise, or return an
    error instead; `halves` makes an effect stop half way."""

    def __init__(self, before: Callable[[Transition], str] = lambda _: "") -> None:
        self.things: dict[str, Thing] = {}
        self.done: list[Transition] = []
        self.before = before
        self.halves: Callable[[Transition], bool] = lambda _: False
        self.blind = ""
        self.lock = threading.Lock()
        self.idle = threading.Condition()
        self.at_work = 0
        self.drivers: Mapping[str, WorldDriver] = {
            "single": WorldDriver(self, "single", batches=False),
            "bulk": WorldDriver(self, "bulk", batches=True),
        }

    def driver_for(self, name: str) -> WorldDriver:
        if name not in self.drivers:
            raise Invalid(Diagnostic("driver-unknown", f"There is no driver {name!r}", "It is gone."))
        return self.drivers[name]

    def rest(self) -> None:
        """Waits until no driver is at work any more."""
        with self.idle:
            self.idle.wait_for(lambda: not self.at_work)

    def work(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        with self.idle:
            self.at_work += 1
        try:
            return [Outcome(t.address, self.change(t)) for t in transitions]
        finally:
            with self.idle:
                self.at_work -= 1
                self.idle.notify_all()

    def change(self, transition: Transition) -> str:
        with self.lock:
            if error := self.before(transition):
                return error
            self.done.append(transition)
            half = self.halves(transition)
            if transition.target == ABSENT and not half:
                self.things.pop(transition.address, None)
            else:
                brings = transition.source in {ABSENT, transition.target}
                body = (transition.after if brings else transition.before) or {"spec": {"value": 0}}
                self.things[transition.address] = Thing(transition.target, body["spec"]["value"], half)
        return ""


class WorldDriver:
    acts = True

    def __init__(self, world: World, name: str, batches: bool) -> None:
        self._world = world
        self.name = name
        self.batches = batches

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return self._world.work(transitions)

    def observe(self, records: Sequence[Record]) -> Iterable[Observation]:
        if self._world.blind:
            raise OSError(self._world.blind)
        return [seen for record in records if (seen := self._look(record))]

    def _look(self, record: Record) -> Observation | None:
        there = self._world.things.get(record.address)
        if there is None:
            return None if record.state == ABSENT else Observation(record.address, ABSENT, "missing")
        if there.half:
            return Observation(record.address, record.state, "half done")
        wanted = record.body()["spec"]["value"] if record.manifest else None
        drift = "" if there.value == wanted else f"value {there.value}"
        return Observation(record.address, there.state, drift) if drift or there.state != record.state else None

    def health(self, record: Record) -> Health:
        return Health(True)

    def logs(self, record: Record, lines: int, follow: bool) -> Iterable[str]:
        return ()


class Clock:
    def now(self) -> str:
        return "2026-01-01T00:00:00Z"

    def monotonic(self) -> float:
        return 0.0
