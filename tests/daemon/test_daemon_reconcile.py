"""One cycle of the daemon after the other: commits good and bad, failures, drift, suspensions, guards, windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from daemon.kept import Kept, manifest
from engine.world import Thing, World

from reconciler.model.daemon import ConditionType, CycleReport, SyncMode, Trigger, Verdict, Why
from reconciler.model.history import Lock, LockInfo
from reconciler.model.lifecycle import ABSENT
from reconciler.model.settings import Guards
from reconciler.ports import StateError

Make = Callable[..., Kept]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(mode: SyncMode | None = SyncMode.APPLY, **watch: object) -> Kept:
        kept = Kept(tmp_path, mode=mode)
        kept.settings = kept.settings._replace(watch=watch)
        return kept

    return made


@pytest.fixture
def kept(make: Make) -> Kept:
    return make()


def failing(kept: Kept, *addresses: str) -> None:
    kept.world.before = lambda transition: "no space left" if transition.address in addresses else ""


def holding(report: CycleReport, address: str) -> set[str]:
    component = next(one for one in report.after.components if one.address == address)
    return {condition.type.value for condition in component.conditions if condition.status}


def reason(report: CycleReport, address: str, kind: ConditionType) -> str:
    component = next(one for one in report.after.components if one.address == address)
    return component.condition(kind).reason


# Commits


@pytest.mark.parametrize("newest", ["sound", "broken"])
def test_who_leads_again_does_not_go_back_to_the_commits_that_it_knew(kept: Kept, newest: str) -> None:
    kept.push(a=manifest("one/a"))
    old = next(iter(kept.commits))
    first = kept.cycles
    kept.restart()  # another daemon leads meanwhile
    kept.push(a=manifest("one/a", 2))
    tip = kept.commit(a=manifest("one/a", 3) if newest == "sound" else "kind: [")
    kept.cycles = first
    stale = Trigger(Why.COMMIT, "told while another one led", commit=old)
    first.cycle((stale, Trigger(Why.START)), lambda: False)
    kept.world.rest()
    assert kept.world.things == {"one/a": Thing("running", 2)}
    kept.cycle(Why.COMMIT, tip)
    assert kept.world.things == {"one/a": Thing("running", 3 if newest == "sound" else 2)}


def test_a_commit_is_applied(kept: Kept) -> None:
    report = kept.push(a=manifest("one/a"), b=manifest("many/b", 2))
    assert kept.world.things == {"one/a": Thing("running", 1), "many/b": Thing("running", 2)}
    after = report.after
    commit = next(iter(kept.commits))
    assert (after.verdict, after.desired, after.good, after.applied) == (Verdict.SYNCED, commit, commit, commit)
    assert (after.recorded, after.failed, after.pending, after.components, after.waits) == (2, 0, {}, (), "")
    assert report.applied == {"create": 2}


def test_before_the_source_told_of_a_commit_nothing_is_done(kept: Kept) -> None:
    report = kept.cycle(Why.START)
    assert (report.after.verdict, report.after.waits) == (Verdict.PENDING, "The source has not told of a commit yet.")
    assert kept.cycles.due.why is Why.INTERVAL


def test_a_commit_that_changes_nothing_makes_no_work(kept: Kept) -> None:
    kept.push(a=manifest("one/a"))
    shown = len(kept.shown)
    kept.world.blind = "nobody may look"
    kept.files["README.md"] = "hello"
    report = kept.push()
    assert (report.after.verdict, report.after.applied) == (Verdict.SYNCED, [*kept.commits][-1])
    assert len(kept.shown) == shown


def test_a_commit_with_errors_leaves_the_last_good_one_in_force(kept: Kept) -> None:
    good = kept.commit(a=manifest("one/a"))
    kept.cycle(Why.COMMIT, good)
    bad = kept.commit(b="kind: [", c=manifest("one/c"))
    report = kept.cycle(Why.COMMIT, bad)
    after = report.after
    assert (after.verdict, after.desired, after.good, after.applied) == (Verdict.REFUSED, bad, good, good)
    assert "registry.d/b.yaml:1" in after.errors[0]
    assert set(kept.world.things) == {"one/a"}
    kept.world.things["one/a"] = Thing("running", 99)
    assert kept.cycle().after.drifted == 1
    assert kept.push(b=manifest("one/b")).after.verdict is Verdict.SYNCED
    assert set(kept.world.things) == {"one/a", "one/b", "one/c"}


def test_nothing_is_called_unchanged_beside_an_error_or_after_what_was_done(kept: Kept) -> None:
    kept.push(a=manifest("one/a"))
    kept.cycle()
    kept.push(b="kind: [")
    kept.cycle()
    assert [len(plan.changes) for plan in kept.shown] == [1]


def test_drift_is_shown_once_and_so_is_its_end(kept: Kept) -> None:
    kept.push(a=manifest("one/a"), b=manifest("one/b"))
    kept.world.things["one/a"] = Thing("running", 99)
    for _ in range(2):
        kept.cycle()
    kept.push(b=manifest("one/b", 2))
    kept.cycle()
    assert [(len(plan.changes), len(plan.drift)) for plan in kept.shown] == [(2, 0), (0, 1), (1, 1)]
    kept.world.things["one/a"] = Thing("running", 1)
    for _ in range(2):
        kept.cycle()
    assert [(len(plan.changes), len(plan.drift)) for plan in kept.shown[3:]] == [(0, 0)]


def test_an_error_that_lasts_is_compiled_and_told_once(kept: Kept) -> None:
    kept.push(a="kind: [")
    kept.cycle()
    kept.cycle()
    assert len(kept.told) == 1


def test_the_last_good_commit_is_found_again_after_a_restart(kept: Kept) -> None:
    good = kept.commit(a=manifest("one/a"))
    kept.cycle(Why.COMMIT, good)
    bad = kept.commit(a="kind: [")
    kept.cycle(Why.COMMIT, bad)
    kept.restart()
    del kept.world.things["one/a"]
    assert kept.cycle(Why.START).after.drifted == 1
    report = kept.cycle(Why.COMMIT, bad)
    assert (report.after.verdict, report.after.good, report.after.drifted) == (Verdict.REFUSED, good, 1)


def test_bad_settings_refuse_a_commit_too(make: Make) -> None:
    kept = make()
    kept.push(a=manifest("one/a"))
    kept.settings = kept.settings._replace(watch={"windows": [{"schedule": "hourly", "duration": "1h"}]})
    report = kept.push(b=manifest("one/b"))
    assert (report.after.verdict, set(kept.world.things)) == (Verdict.REFUSED, {"one/a"})
    assert "window 1" in report.after.errors[0]


def test_trouble_of_the_source_lasts_until_it_is_well(kept: Kept) -> None:
    commit = kept.commit(a=manifest("one/a"))
    kept.cycle(Why.COMMIT, commit)
    assert kept.cycle(Why.SOURCE, trouble="The remote is away.").after.trouble == "The remote is away."
    assert kept.cycle().after.trouble == "The remote is away."
    assert kept.cycle(Why.SOURCE, commit).after.trouble == ""


def test_a_commit_that_changes_nothing_is_not_applied_where_the_one_before_was_not(kept: Kept) -> None:
    kept.suspend("one/a")
    kept.push(a=manifest("one/a"))
    assert kept.push().after.applied == ""
    kept.resume("one/a")
    kept.push()
    assert set(kept.world.things) == {"one/a"}


# Failures


def test_a_component_that_fails_keeps_no_other_waiting(kept: Kept) -> None:
    failing(kept, "one/a")
    report = kept.push(a=manifest("one/a"), b=manifest("one/b"), c=manifest("one/c", needs=["one/a"]))
    assert set(kept.world.things) == {"one/b"}
    assert (report.after.verdict, report.after.failed, report.after.applied) == (Verdict.FAILED, 1, "")
    assert holding(report, "one/a") == {"Reconciling"}
    assert reason(report, "one/a", ConditionType.READY) == "Failed"
    assert reason(report, "one/c", ConditionType.READY) == "WaitsForDependency"
    report = kept.push(d=manifest("one/d"))
    assert set(kept.world.things) == {"one/b", "one/d"}


def test_it_is_tried_again_later_and_later(make: Make) -> None:
    kept = make(backoff={"base": "10s", "factor": 3, "cap": "60s"}, interval="12h")
    failing(kept, "one/a")
    kept.push(a=manifest("one/a"))
    waits = []
    for _ in range(5):
        before = kept.clock.passed
        kept.wait_for_due()
        waits.append(kept.clock.passed - before)
    assert 8 <= waits[0] <= 11
    assert 24 <= waits[1] <= 31
    assert all(48 <= wait <= 61 for wait in waits[2:])
    assert kept.reports[-1].after.components[0].failures == 6
    failing(kept)
    kept.wait_for_due()
    assert kept.reports[-1].after.verdict is Verdict.SYNCED


def test_the_wait_outlives_a_restart(make: Make) -> None:
    kept = make(backoff={"base": "100s"}, interval="12h")
    failing(kept, "one/a")
    commit = kept.commit(a=manifest("one/a"))
    due = kept.cycle(Why.COMMIT, commit).after.components[0].retry
    kept.restart()
    kept.clock.pass_by(10)
    tries = len(kept.store.runs_)
    report = kept.cycle(Why.COMMIT, commit)
    assert (report.after.components[0].retry, len(kept.store.runs_)) == (due, tries)


def test_a_new_manifest_is_tried_at_once(make: Make) -> None:
    kept = make(backoff={"base": "1h"})
    failing(kept, "one/a")
    kept.push(a=manifest("one/a"))
    failing(kept)
    assert kept.push(a=manifest("one/a", 2)).after.verdict is Verdict.SYNCED


def test_what_a_blind_driver_keeps_waits_alone(kept: Kept) -> None:
    kept.push(a=manifest("one/a"), b=manifest("many/b"))
    bulk = kept.world.drivers["bulk"]
    kept.world.drivers = {"single": kept.world.drivers["single"]}
    report = kept.push(a=manifest("one/a", 2), b=manifest("many/b", 2))
    assert kept.world.things == {"one/a": Thing("running", 2), "many/b": Thing("running", 1)}
    assert report.after.verdict is Verdict.FAILED
    assert "bulk" in report.after.errors[0]
    kept.world.drivers = {**kept.world.drivers, "bulk": bulk}
    assert kept.cycle().after.verdict is Verdict.SYNCED


# Modes and drift


def test_drift_is_reported_and_left(kept: Kept) -> None:
    kept.push(a=manifest("one/a"), b=manifest("one/b", needs=["one/a"]))
    kept.world.things["one/a"] = Thing("running", 99)
    report = kept.push(b=manifest("one/b", 2, needs=["one/a"]))
    assert kept.world.things == {"one/a": Thing("running", 99), "one/b": Thing("running", 2)}
    assert (report.after.verdict, report.after.drifted) == (Verdict.SYNCED, 1)
    assert holding(report, "one/a") == {"Drifted"}


def test_what_is_asked_for_is_done_from_where_it_drifted_to(kept: Kept) -> None:
    kept.push(a=manifest("one/a"))
    del kept.world.things["one/a"]
    kept.push(a=manifest("one/a", 2))
    assert kept.world.things == {"one/a": Thing("running", 2)}


def test_plan_only_reports_and_changes_nothing(make: Make) -> None:
    kept = make(None)
    report = kept.push(a=manifest("one/a"))
    assert (kept.world.things, kept.store.runs_) == ({}, [])
    assert (report.after.verdict, report.after.pending, report.after.mode) == (
        Verdict.PENDING,
        {"create": 1},
        SyncMode.PLAN_ONLY,
    )
    assert report.after.waits == "The daemon only reports what it would do."


def test_self_heal_mends_drift_and_says_so(make: Make) -> None:
    kept = make(SyncMode.SELF_HEAL)
    kept.push(a=manifest("one/a"))
    kept.world.things["one/a"] = Thing("running", 99)
    report = kept.cycle()
    assert kept.world.things == {"one/a": Thing("running", 1)}
    assert (report.healed, report.after.drifted, report.after.verdict) == (("one/a",), 0, Verdict.SYNCED)


def test_what_drifts_too_often_is_flapping_and_left_until_it_is_quiet(make: Make) -> None:
    kept = make(SyncMode.SELF_HEAL, healsPerHour=2, interval="10m")
    kept.push(a=manifest("one/a"))
    for _ in range(2):
        kept.world.things["one/a"] = Thing("running", 99)
        assert kept.cycle().healed == ("one/a",)
        kept.clock.pass_by(60)
    kept.restart()
    kept.world.things["one/a"] = Thing("running", 99)
    report = kept.cycle(Why.COMMIT, [*kept.commits][-1])
    assert (report.healed, report.after.flapping, report.after.drifted) == ((), 1, 1)
    assert holding(report, "one/a") == {"Drifted", "Stalled"}
    assert reason(report, "one/a", ConditionType.STALLED) == "Flapping"
    kept.clock.pass_by(3600)
    assert kept.cycle().healed == ("one/a",)


def test_what_is_asked_of_a_flapping_component_is_done(make: Make) -> None:
    kept = make(SyncMode.SELF_HEAL, healsPerHour=1)
    kept.push(a=manifest("one/a"))
    for value in (98, 99):
        kept.world.things["one/a"] = Thing("running", value)
        kept.cycle()
    kept.push(a=manifest("one/a", 2))
    assert kept.world.things == {"one/a": Thing("running", 2)}


# Guards


def test_a_guard_stops_the_plan_before_its_first_step(kept: Kept) -> None:
    names = [f"a{number}" for number in range(4)]
    kept.push(**{name: manifest(f"one/{name}") for name in names})
    done = len(kept.world.done)
    kept.settings = kept.settings._replace(guards=Guards(3, 100))
    report = kept.push(**dict.fromkeys(names), b=manifest("one/b"))
    assert (report.after.verdict, len(kept.world.done)) == (Verdict.STOPPED, done)
    assert "-override-guard" in report.after.waits
    assert holding(report, "one/a1") == {"Stalled"}
    assert kept.push(**{name: manifest(f"one/{name}") for name in names}).after.verdict is Verdict.SYNCED


# Suspensions


def test_what_is_suspended_waits_with_what_depends_on_it(kept: Kept) -> None:
    kept.suspend("one/a")
    report = kept.push(a=manifest("one/a"), b=manifest("one/b", needs=["one/a"]), c=manifest("one/c"))
    assert set(kept.world.things) == {"one/c"}
    assert holding(report, "one/a") == {"Suspended"}
    assert (report.after.suspended, report.after.pending) == (1, {"create": 2})
    kept.resume("one/a")
    assert kept.cycle(Why.NOTES).after.verdict is Verdict.SYNCED
    assert set(kept.world.things) == {"one/a", "one/b", "one/c"}


@pytest.mark.parametrize(("scope", "left"), [("one", {"many/b"}), ("all", set()), ("many", {"one/a"})])
def test_kinds_and_all_are_suspended(kept: Kept, scope: str, left: set[str]) -> None:
    kept.suspend(scope)
    report = kept.push(a=manifest("one/a"), b=manifest("many/b"))
    assert set(kept.world.things) == left
    assert report.after.verdict is Verdict.SYNCED
    assert report.after.applied == ""


def test_a_suspension_ends_by_itself(kept: Kept) -> None:
    kept.suspend("one/a", 90)
    kept.push(a=manifest("one/a"))
    assert kept.cycles.due.at == kept.reports[-1].after.suspensions[0].until
    assert kept.wait_for_due().after.verdict is Verdict.SYNCED
    assert kept.store.notes.under("suspension/") == []


def test_suspended_drift_is_still_seen(make: Make) -> None:
    kept = make(SyncMode.SELF_HEAL)
    kept.push(a=manifest("one/a"))
    kept.suspend("all")
    kept.world.things["one/a"] = Thing("running", 99)
    report = kept.cycle()
    assert (report.healed, holding(report, "one/a")) == ((), {"Drifted", "Suspended"})


# Windows


def test_outside_of_its_windows_it_reports_and_waits(make: Make) -> None:
    kept = make(windows=[{"schedule": "0 14 * * *", "duration": "1h"}], interval="12h")
    report = kept.push(a=manifest("one/a"))
    assert (report.after.verdict, report.after.pending) == (Verdict.PENDING, {"create": 1})
    assert report.after.waits == "No sync window is open until 2026-03-02T14:00:00.000Z."
    assert (kept.cycles.due.at, kept.cycles.due.why) == ("2026-03-02T14:00:00.000Z", Why.WINDOW)
    assert kept.wait_for_due().after.verdict is Verdict.SYNCED


# What is outside


def test_what_is_no_text_does_no_harm(kept: Kept) -> None:
    kept.world.before = lambda transition: "no file caf\udce9"
    report = kept.push(a=manifest("one/a"))
    assert report.after.verdict is Verdict.FAILED
    kept.restart()
    component = kept.cycle(Why.START).after.components[0]
    assert component.condition(ConditionType.READY).reason == "Failed"
    note = kept.store.notes.get("daemon/status")
    assert note
    assert rb"no file caf\\udce9" in note.body


def test_a_locked_state_is_waited_for(kept: Kept) -> None:
    commit = kept.commit(a=manifest("one/a"))
    kept.store.lock = Lock(LockInfo("x", "apply", "ada@laptop", 7), "", "", 1)
    report = kept.cycle(Why.COMMIT, commit)
    assert (report.after.verdict, report.after.waits) == (
        Verdict.PENDING,
        "The state is locked by ada@laptop (apply).",
    )
    kept.store.lock = None
    assert kept.wait_for_due().after.verdict is Verdict.SYNCED


def test_a_state_that_cannot_be_used_is_survived(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> None:
        raise StateError("The database is away.")

    commit = kept.commit(a=manifest("one/a"))
    with monkeypatch.context() as broken:
        broken.setattr(kept.store.notes, "get", away)
        broken.setattr(kept.store.notes, "put", away)
        broken.setattr(kept.store.notes, "under", away)
        report = kept.cycle(Why.COMMIT, commit)
        assert (report.after.verdict, report.after.errors) == (Verdict.BROKEN, ("The database is away.",))
        assert kept.wait_for_due().after.verdict is Verdict.BROKEN
    assert kept.wait_for_due().after.verdict is Verdict.SYNCED
    assert kept.world.things == {"one/a": Thing("running", 1)}


def test_a_commit_that_could_not_be_looked_at_is_looked_at_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> None:
        raise StateError("The database is away.")

    kept.push(a=manifest("one/a"))
    bad = kept.commit(b=manifest("one/b", needs=["one/c"]))
    with monkeypatch.context() as broken:
        broken.setattr(kept.store, "load", away)
        assert kept.cycle(Why.COMMIT, bad).after.verdict is Verdict.BROKEN
    report = kept.wait_for_due()
    assert (report.after.verdict, report.after.desired) == (Verdict.REFUSED, bad)


def test_a_commit_that_git_could_not_read_is_read_again(kept: Kept) -> None:
    kept.push(a=manifest("one/a"))
    commit = kept.commit(b=manifest("one/b"))
    kept.trouble = "git cat-file did not end within 60 s"
    report = kept.cycle(Why.COMMIT, commit)
    assert (report.after.verdict, report.after.errors) == (Verdict.REFUSED, (kept.trouble,))
    kept.trouble = ""
    assert kept.wait_for_due().after.applied == commit
    assert set(kept.world.things) == {"one/a", "one/b"}


def test_another_daemon_in_between_is_noticed_and_gone_on_from(kept: Kept) -> None:
    kept.push(a=manifest("one/a"))
    note = kept.store.notes.get("daemon/status")
    assert note
    kept.store.notes.put(note.key, note.body, note.version)
    kept.cycle()
    assert kept.cycle().after.verdict is Verdict.SYNCED
    assert kept.store.notes.kept["daemon/status"].version == note.version + 2


def test_a_run_that_is_to_end_goes_on_in_the_next_cycle(kept: Kept) -> None:
    commit = kept.commit(a=manifest("one/a"), b=manifest("one/b", needs=["one/a"]))

    def stop_after_first(transition: object) -> str:
        kept.stop = True
        return ""

    kept.world.before = stop_after_first
    report = kept.cycle(Why.COMMIT, commit)
    assert report.summary
    assert report.summary.interrupted
    assert (report.after.verdict, report.after.applied) == (Verdict.PENDING, "")
    kept.stop = False
    kept.world.before = lambda _: ""
    assert kept.cycle().after.verdict is Verdict.SYNCED


def test_since_tells_when_a_condition_changed(kept: Kept) -> None:
    kept.push(a=manifest("one/a"))
    kept.world.things["one/a"] = Thing("running", 99)
    first = kept.cycle().after.components[0].condition(ConditionType.DRIFTED).since
    kept.clock.pass_by(100)
    kept.restart()
    component = kept.cycle(Why.COMMIT, [*kept.commits][-1]).after.components[0]
    assert component.condition(ConditionType.DRIFTED).since == first == "2026-03-02T12:00:00.000Z"
    assert component.condition(ConditionType.DRIFTED).generation == [*kept.commits][-1]


def test_a_delete_that_another_one_still_needs_waits_for_it_alone(kept: Kept) -> None:
    kept.push(a=manifest("one/a"), b=manifest("one/b", needs=["one/a"]), c=manifest("one/c"))
    failing(kept, "one/b")
    report = kept.push(a=None, b=manifest("one/b", 2), c=manifest("one/c", 2))
    assert kept.world.things["one/c"] == Thing("running", 2)
    report = kept.push(c=manifest("one/c", 3))
    assert kept.world.things["one/c"] == Thing("running", 3)
    assert report.after.verdict is Verdict.FAILED
    failing(kept)
    for _ in range(3):
        report = kept.wait_for_due()
    assert report.after.verdict is Verdict.SYNCED
    assert "one/a" not in kept.world.things


def test_states_lead_away_too(kept: Kept) -> None:
    kept.push(a=manifest("one/a"))
    kept.push(a=manifest("one/a", state="registered"))
    assert kept.world.things == {"one/a": Thing("registered", 1)}
    kept.push(a=None)
    assert kept.world.things == {}
    assert ABSENT not in {record.state for record in kept.store.records.values()}


def test_the_world_is_not_asked_by_a_daemon_that_has_nothing(tmp_path: Path) -> None:
    world = World()
    world.blind = "nobody may look"
    assert Kept(tmp_path, world).cycle(Why.START).after.verdict is Verdict.PENDING
