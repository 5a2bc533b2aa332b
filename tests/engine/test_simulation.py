"""Random lives of a registry: edits, plans, applies and deaths at every boundary, against a model of what must hold.

Whatever happens, no driver acts without a journalled intent, what was done is not done again unless it was taken back,
and once nobody dies any more one apply makes the recorded state and the world what is desired.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from engine.memory import Death, MemoryStore
from engine.world import CATALOGUE, Clock, Thing, World, desired, resource
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.engine.apply import apply_plan
from reconciler.engine.executor import Control
from reconciler.engine.planning import observe
from reconciler.engine.recovery import Verdict, recover
from reconciler.model import settings
from reconciler.model.diagnostics import Invalid
from reconciler.model.history import Intent, LockInfo, Run
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.plan import Options, Plan
from reconciler.model.record import Status
from reconciler.planner.build import build
from reconciler.ports import Locking

LOCKING = Locking(LockInfo("lock", "apply", "me@here", 1), 0.0)
ADDRESSES = st.sampled_from(["one/a", "one/b", "many/a", "many/b", "many/c"])
STATES = st.sampled_from(["registered", "running", ABSENT])
BOUNDARIES = st.integers(1, 16)


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.world = World(self.check)
        self.wanted: dict[str, Thing] = {}
        self.saved: Plan | None = None
        self.fails: set[str] = set()
        self.problems: list[str] = []
        self.drifted: set[str] = set()
        self.number = 0

    def check(self, transition: Transition) -> str:
        """Runs in a driver, before its effect."""
        intent = self.store.intents.get(transition.address)
        if intent is None or intent.key != transition.key:
            self.problems.append(f"{transition.verb} of {transition.address} has no intent")
        elif self.is_done(intent):
            self.problems.append(f"{transition.verb} of {transition.address} was done already")
        return "out of order" if transition.address in self.fails else ""

    def is_done(self, intent: Intent) -> bool:
        """Whether the world is already what the verb leads to, and nobody knows of a failure or of drift to mend."""
        known = intent.address in self.drifted or (intent.before and intent.before.status is Status.FAILED)
        return not known and self.fits(intent)

    def fits(self, intent: Intent) -> bool:
        there = self.world.things.get(intent.address)
        if intent.after is None or there is None:
            return intent.after is None and there is None
        return there == Thing(intent.after.state, intent.after.body()["spec"]["value"])

    @initialize(parallelism=st.sampled_from([1, 3]))
    def begin(self, parallelism: int) -> None:
        self.parallelism = parallelism

    @rule(address=ADDRESSES, state=STATES, value=st.integers(1, 3))
    def edit(self, address: str, state: str, value: int) -> None:
        self.wanted.pop(address, None)
        if state != ABSENT:
            self.wanted[address] = Thing(state, value)

    @rule(addresses=st.sets(ADDRESSES, max_size=2))
    def break_things(self, addresses: set[str]) -> None:
        self.fails = addresses

    @rule(halves=st.sets(ADDRESSES, max_size=2))
    def tire(self, halves: set[str]) -> None:
        """From now on, a run that is to die does so half way through a verb on one of these."""

        def dies(transition: Transition) -> bool:
            dying = transition.address in halves and self.store.dies_at > 0
            self.store.doomed = self.store.doomed or dying
            return dying

        self.world.halves = dies

    @rule()
    def plan(self) -> None:
        self.saved = self.make_plan()

    @precondition(lambda self: self.saved is not None)
    @rule()
    def apply_saved(self) -> None:
        assert self.saved
        moved = self.saved.base.serial != self.store.serial or bool(self.store.intents)
        try:
            self.apply(self.saved)
        except Invalid:
            assert moved
        else:
            assert not moved

    @rule()
    def apply_now(self) -> None:
        self.recover()
        self.apply(self.make_plan())

    @rule(boundary=BOUNDARIES)
    def apply_and_die(self, boundary: int) -> None:
        self.recover()
        made = self.make_plan()
        self.store.dies_at = boundary
        self.survive(lambda: self.apply(made))

    @rule(boundary=BOUNDARIES)
    def recover_and_die(self, boundary: int) -> None:
        self.store.dies_at = boundary
        self.survive(self.recover)

    @rule()
    def recover(self) -> None:
        found = recover(self.store, LOCKING, CATALOGUE, self.world.driver_for, self.run("recover"))
        for one in found:
            clears = one.intent.source == ABSENT and one.intent.after is None
            assert one.verdict is (Verdict.FINISHED if self.fits(one.intent) and not clears else Verdict.TAKEN_BACK)
        assert not self.store.intents

    @invariant()
    def no_driver_did_wrong(self) -> None:
        assert not self.problems

    def teardown(self) -> None:
        self.fails = set()
        self.recover()
        self.apply(self.make_plan())
        recorded = {r.address: Thing(r.state, r.body()["spec"]["value"]) for r in self.store.records.values()}
        assert recorded == self.world.things == self.wanted
        assert all(record.status is Status.OK for record in self.store.records.values())
        assert not self.make_plan().applyable
        assert not self.problems
        assert self.store.runs_[-1].outcome == "ok"
        assert all(past.outcome for past in self.store.runs_)

    def survive(self, what: Callable[[], None]) -> None:
        """Does `what` in a process that may die."""
        with suppress(Death):
            what()
        self.store.revive()

    def make_plan(self) -> Plan:
        recorded = self.store.load()
        seen = observe(recorded.records, CATALOGUE, self.world.driver_for)
        wanted = desired(*(resource(address, thing.state, thing.value) for address, thing in self.wanted.items()))
        guards = settings.Guards(10**6, 100)
        made, problems = build(wanted, recorded, seen, CATALOGUE, Options(), guards, "2026-01-01T00:00:00Z")
        assert made, problems
        self.drifted |= {observation.address for _, observation in made.drift if observation.drift}
        return made

    def apply(self, made: Plan) -> None:
        control = Control(self.parallelism, lambda: False)
        run = self.run("apply")
        try:
            apply_plan(made, run, self.store, LOCKING, self.world.driver_for, Clock(), lambda _: None, control)
        finally:
            self.world.rest()

    def run(self, operation: str) -> Run:
        self.number += 1
        return Run(f"run-{self.number}", operation, "me@here", "c0ffee", "tree")


TestLife = Life.TestCase
TestLife.settings = hypothesis_settings(max_examples=60, stateful_step_count=25, deadline=None)
