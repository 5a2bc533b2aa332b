"""Random lives of a daemon: commits good and bad, failing drivers, drift, suspensions, restarts and time, against a
model of what must hold.

It never acts on what is suspended, nor on what depends on that. One bad component never keeps another one waiting. What
lasts is told once. And once the faults have ended and time has passed, everything is as the last good commit asks for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from daemon.kept import Kept, manifest
from engine.world import Thing, World
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reconciler.daemon.notices import Told, decide
from reconciler.daemon.suspensions import covering, load_suspensions
from reconciler.model.daemon import CycleReport, NoticeKind, SyncMode, Verdict, Why
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.record import Status

ADDRESSES = ["one/a", "one/b", "many/a", "many/b", "many/c"]
ADDRESS = st.sampled_from(ADDRESSES)
SCOPE = st.sampled_from([*ADDRESSES, "many", "all"])
HEALS = 2


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.check)
        self.fails: set[str] = set()
        self.drifted: set[str] = set()
        self.wanted: dict[str, tuple[Thing, tuple[str, ...]]] = {}
        self.good: Mapping[str, tuple[Thing, tuple[str, ...]]] = {}
        self.problems: list[str] = []
        self.told: Told = {}
        self.lasting: set[str] = set()
        self.healed: dict[str, list[float]] = {}
        self.bad = False

    @initialize(mode=st.sampled_from([SyncMode.APPLY, SyncMode.SELF_HEAL]))
    def begin(self, mode: SyncMode) -> None:
        self.mode = mode
        self.kept = Kept(Path(os.devnull), self.world, mode)
        self.kept.settings = self.kept.settings._replace(watch={"healsPerHour": HEALS})
        self.hear(self.kept.cycle(Why.START))

    def check(self, transition: Transition) -> str:
        """Runs in a driver, before its effect."""
        address = transition.address
        held = self.suspended()
        if address in held:
            self.problems.append(f"{transition.verb} of {address}, which is suspended")
        if held & set(self.needs(address)):
            self.problems.append(f"{transition.verb} of {address}, which depends on what is suspended")
        if address not in self.fails:
            self.drifted.discard(address)
        return "out of order" if address in self.fails else ""

    def suspended(self) -> set[str]:
        found = load_suspensions(self.kept.store.notes, self.kept.clock.now())
        return {address for address in ADDRESSES if covering(found, address)}

    def needs(self, address: str) -> Iterable[str]:
        if address in self.good:
            return self.good[address][1]
        record = self.kept.store.records.get(address)
        return record.dependencies if record else ()

    @rule(address=ADDRESS, value=st.integers(1, 3), needs=st.sets(ADDRESS, max_size=1), gone=st.booleans())
    def edit(self, address: str, value: int, needs: set[str], gone: bool) -> None:
        """A commit, which may break references."""
        self.wanted.pop(address, None)
        if not gone:
            before = [name for name in sorted(needs) if ADDRESSES.index(name) < ADDRESSES.index(address)]
            self.wanted[address] = (Thing("running", value), tuple(before))
        self.push()

    @rule(bad=st.booleans())
    def damage(self, bad: bool) -> None:
        self.bad = bad
        self.push()

    @rule(addresses=st.sets(ADDRESS, max_size=2))
    def break_things(self, addresses: set[str]) -> None:
        self.fails = addresses

    @rule(address=ADDRESS)
    def drift(self, address: str) -> None:
        if address in self.world.things:
            self.world.things[address] = self.world.things[address]._replace(value=99)
            self.drifted.add(address)

    @rule(scope=SCOPE, seconds=st.sampled_from([None, 60.0, 600.0]))
    def suspend(self, scope: str, seconds: float | None) -> None:
        self.kept.suspend(scope, seconds)
        self.turn(Why.NOTES)

    @rule(scope=SCOPE)
    def resume(self, scope: str) -> None:
        self.kept.resume(scope)
        self.turn(Why.NOTES)

    @rule(seconds=st.sampled_from([1.0, 30.0, 300.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.kept.clock.pass_by(seconds)
        self.turn(Why.INTERVAL)

    @rule()
    def restart(self) -> None:
        self.kept.restart()
        self.turn(Why.START)
        self.push()

    @invariant()
    def nobody_did_wrong(self) -> None:
        assert not self.problems

    def push(self) -> None:
        files: dict[str, str | None] = {address.replace("/", "-"): None for address in ADDRESSES}
        for address, (thing, needs) in self.wanted.items():
            files[address.replace("/", "-")] = manifest(address, thing.value, needs=needs)
        commit = self.kept.commit(**files, bad="kind: [" if self.bad else None)
        sound = not self.bad and all(need in self.wanted for _, needs in self.wanted.values() for need in needs)
        if sound:
            self.good = dict(self.wanted)
        report = self.hear(self.kept.cycle(Why.COMMIT, commit))
        if sound:
            assert report.after.good == commit
        else:
            assert report.after.verdict is Verdict.REFUSED

    def turn(self, why: Why) -> None:
        self.hear(self.kept.cycle(why))

    def hear(self, report: CycleReport) -> CycleReport:
        self.nobody_waits_for_another()
        self.heals_stay_in_their_budget(report)
        self.what_lasts_is_told_once(report)
        return report

    def nobody_waits_for_another(self) -> None:
        blocked = self.blocked()
        for address in set(ADDRESSES) - blocked:
            record = self.kept.store.records.get(address)
            wanted = self.good.get(address)
            recorded = Thing(record.state, record.body()["spec"]["value"]) if record else None
            assert recorded == (wanted[0] if wanted else None), address
            if address not in self.drifted:
                assert self.world.things.get(address) == recorded, address

    def blocked(self) -> set[str]:
        """What is suspended or fails, what depends on that, and what cannot go since that still depends on it."""
        records = self.kept.store.records
        failed = {address for address, record in records.items() if record.status is Status.FAILED}
        blocked = self.suspended() | failed | self.fails | self.flapping()
        while True:
            more = {a for a in ADDRESSES if blocked & {*self.needs(a), *self.recorded_needs(a)}}
            kept = {n for a in blocked for n in self.recorded_needs(a) if n not in self.good}
            if more | kept <= blocked:
                return blocked
            blocked |= more | kept

    def flapping(self) -> set[str]:
        now = self.kept.clock.passed
        return {a for a, times in self.healed.items() if len([t for t in times if t > now - 3600]) >= HEALS}

    def recorded_needs(self, address: str) -> Iterable[str]:
        record = self.kept.store.records.get(address)
        return record.dependencies if record and record.state != ABSENT else ()

    def heals_stay_in_their_budget(self, report: CycleReport) -> None:
        now = self.kept.clock.passed
        assert not report.healed or self.mode is SyncMode.SELF_HEAL
        for address in report.healed:
            times = self.healed.setdefault(address, [])
            times.append(now)
            assert len([time for time in times if time > now - 3600]) <= HEALS

    def what_lasts_is_told_once(self, report: CycleReport) -> None:
        notices, self.told = decide(report, self.told, self.kept.clock.now())
        for notice in notices:
            if notice.kind is NoticeKind.RECOVERED:
                self.lasting.discard(notice.key.removeprefix("recovered/"))
            elif notice.kind is not NoticeKind.SYNCED:
                assert notice.key not in self.lasting
                self.lasting.add(notice.key)
        self.lasting &= self.told.keys()

    def teardown(self) -> None:
        if not hasattr(self, "kept"):
            return
        self.fails, self.bad = set(), False
        self.wanted = {
            address: (thing, tuple(need for need in needs if need in self.wanted))
            for address, (thing, needs) in self.wanted.items()
        }
        self.kept.resume("all")
        self.push()
        for _ in range(4):
            self.kept.clock.pass_by(4000)
            self.turn(Why.RETRY)
        report = self.kept.reports[-1]
        recorded = {r.address: Thing(r.state, r.body()["spec"]["value"]) for r in self.kept.store.records.values()}
        assert recorded == {address: thing for address, (thing, _) in self.good.items()}
        if self.mode is SyncMode.SELF_HEAL:
            assert self.world.things == recorded
        assert report.after.verdict is Verdict.SYNCED
        assert report.after.applied == report.after.desired
        assert not self.problems


TestLife = Life.TestCase
TestLife.settings = hypothesis_settings(max_examples=25, stateful_step_count=20, deadline=None)
