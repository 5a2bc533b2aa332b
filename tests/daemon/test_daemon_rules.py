"""The pure rules of the daemon: back-off, the budget of heals, sync windows, suspensions, policy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from engine.memory import MemoryStore
from hypothesis import given
from hypothesis import strategies as st

from reconciler.daemon.act import Rules
from reconciler.daemon.backoff import Backoff, Failure, Retry, delay, schedule
from reconciler.daemon.budget import HOUR, recent, spend, spent
from reconciler.daemon.policy import Policy, read_policy
from reconciler.daemon.suspensions import covered, covering, end_suspensions, load_suspensions, resume, suspend
from reconciler.daemon.times import later, moment, seconds_until, text
from reconciler.daemon.windows import opening, read_windows
from reconciler.model.daemon import Suspension, SyncMode
from reconciler.model.diagnostics import Invalid
from reconciler.model.history import Run
from reconciler.ports import Locking

NOW = "2026-03-02T12:00:00.000Z"

policies = st.builds(Backoff, base=st.floats(0.001, 3600), factor=st.floats(1, 10), cap=st.floats(0.001, 86400)).map(
    lambda policy: policy._replace(cap=max(policy.base, policy.cap))
)


# Back-off


@given(policies, st.integers(1, 10**6), st.text(max_size=10))
def test_a_wait_is_positive_at_most_the_cap_and_never_much_below_it(policy: Backoff, failures: int, seed: str) -> None:
    wait = delay(policy, failures, seed)
    full = min(policy.cap, policy.base * policy.factor ** min(failures - 1, 64))
    assert 0 < 0.8 * full <= wait <= full <= policy.cap
    assert wait == delay(policy, failures, seed)


@given(policies, st.integers(1, 100), st.text(max_size=10))
def test_waits_grow_but_for_their_jitter(policy: Backoff, failures: int, seed: str) -> None:
    assert delay(policy, failures + 1, seed) >= 0.8 * delay(policy, failures, seed)


def test_what_failed_together_is_not_tried_together() -> None:
    assert len({delay(Backoff(), 3, f"service/{number}") for number in range(100)}) == 100


def test_a_failure_that_is_known_keeps_its_time() -> None:
    known = {"one/a": Retry(Failure(2, "asked"), "2026-03-02T12:30:00.000Z")}
    assert schedule(known, {"one/a": Failure(2, "asked")}, Backoff(), NOW) == known


def test_another_failure_waits_anew_and_another_wish_not_at_all() -> None:
    known = {"one/a": Retry(Failure(2, "asked"), "2026-03-02T12:30:00.000Z")}
    assert schedule(known, {"one/a": Failure(3, "asked")}, Backoff(), NOW)["one/a"].due > NOW
    assert schedule(known, {"one/a": Failure(2, "other")}, Backoff(), NOW)["one/a"].due == NOW
    assert schedule(known, {}, Backoff(), NOW) == {}


# The budget


@given(st.lists(st.floats(0, 2000), max_size=40), st.integers(1, 5))
def test_no_hour_sees_more_heals_than_allowed(pauses: list[float], most: int) -> None:
    heals: dict[str, tuple[str, ...]] = {}
    done, now = [], NOW
    for pause in pauses:
        now = later(now, pause)
        if "one/a" not in spent(heals, most, now):
            heals = spend(recent(heals, now), ["one/a"], now)
            done.append(moment(now))
    for start in done:
        assert sum(0 <= (time - start).total_seconds() < HOUR for time in done) <= most


def test_a_spent_budget_says_when_there_is_more() -> None:
    heals = {"one/a": ("2026-03-02T11:30:00.000Z", "2026-03-02T11:50:00.000Z")}
    assert spent(heals, 2, NOW) == {"one/a": "2026-03-02T12:30:00.000Z"}
    assert spent(heals, 3, NOW) == {}
    assert spent(heals, 2, "2026-03-02T12:30:00.000Z") == {}


# Windows

BERLIN = {"timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("now", "allowed", "until"),
    [
        ("2026-03-27T06:59:59.999Z", False, "2026-03-27T07:00:00.000Z"),
        ("2026-03-27T07:00:00.000Z", True, "2026-03-27T15:00:00.000Z"),
        ("2026-03-27T14:59:59.999Z", True, "2026-03-27T15:00:00.000Z"),
        ("2026-03-27T15:00:00.000Z", False, "2026-03-30T06:00:00.000Z"),
        # The clocks went forward on Sunday: eight o'clock is an hour earlier in UTC.
        ("2026-03-30T06:00:00.000Z", True, "2026-03-30T14:00:00.000Z"),
        ("2026-10-23T06:00:00.000Z", True, "2026-10-23T14:00:00.000Z"),
        # And back on the 25th of October.
        ("2026-10-26T06:30:00.000Z", False, "2026-10-26T07:00:00.000Z"),
    ],
)
def test_working_hours_follow_the_clocks_of_their_zone(now: str, allowed: bool, until: str) -> None:
    windows = read_windows([{"schedule": "0 8 * * 1-5", "duration": "8h", **BERLIN}])
    assert opening(windows, now) == (allowed, until)


@pytest.mark.parametrize(
    ("now", "allowed", "until"),
    [
        # 02:30 does not exist on this day: it opens as the clocks have gone forward, at 03:00.
        ("2026-03-29T00:59:00.000Z", False, "2026-03-29T01:00:00.000Z"),
        ("2026-03-29T01:00:00.000Z", True, "2026-03-29T02:30:00.000Z"),
        ("2026-03-29T02:30:00.000Z", False, "2026-03-30T00:30:00.000Z"),
        # 02:30 comes twice on this day: it opens at the first, and stays open for its ninety minutes.
        ("2026-10-25T00:29:00.000Z", False, "2026-10-25T00:30:00.000Z"),
        ("2026-10-25T00:30:00.000Z", True, "2026-10-25T02:00:00.000Z"),
        ("2026-10-25T01:10:00.000Z", True, "2026-10-25T02:00:00.000Z"),
        ("2026-10-25T01:31:00.000Z", True, "2026-10-25T02:00:00.000Z"),
        ("2026-10-25T02:00:00.000Z", False, "2026-10-26T01:30:00.000Z"),
    ],
)
def test_a_window_in_the_hour_that_changes(now: str, allowed: bool, until: str) -> None:
    windows = read_windows([{"schedule": "30 2 * * *", "duration": "90m", **BERLIN}])
    assert opening(windows, now) == (allowed, until)


def test_without_windows_everything_is_allowed_at_all_times() -> None:
    assert opening((), NOW) == (True, "")


def test_a_deny_window_wins_over_an_allowing_one() -> None:
    windows = read_windows(
        [
            {"schedule": "0 8 * * *", "duration": "8h"},
            {"schedule": "0 12 * * *", "duration": "1h", "kind": "deny"},
        ]
    )
    assert opening(windows, "2026-03-02T11:00:00.000Z") == (True, "2026-03-02T12:00:00.000Z")
    assert opening(windows, "2026-03-02T12:00:00.000Z") == (False, "2026-03-02T13:00:00.000Z")
    assert opening(windows, "2026-03-02T15:59:00.000Z") == (True, "2026-03-02T16:00:00.000Z")


def test_only_deny_windows_allow_what_is_outside() -> None:
    windows = read_windows([{"schedule": "0 22 * * *", "duration": "2h", "kind": "deny"}])
    assert opening(windows, "2026-03-02T21:00:00.000Z") == (True, "2026-03-02T22:00:00.000Z")
    assert opening(windows, "2026-03-02T23:59:00.000Z") == (False, "2026-03-03T00:00:00.000Z")


def test_a_window_that_is_never_closed() -> None:
    windows = read_windows([{"schedule": "0 * * * *", "duration": "60m"}])
    assert opening(windows, NOW) == (True, "")


@pytest.mark.parametrize(
    "window",
    [
        {"schedule": "61 * * * *"},
        {"schedule": "0 0 30 2 *"},
        {"schedule": "* * * *"},
        {"schedule": "0 0 0 1 1 *"},
        {"schedule": "@daily"},
        {"schedule": "0 8 * * *", "timezone": "Europe/Nowhere"},
        {"schedule": "0 8 * * *", "timezone": "../etc/passwd"},
    ],
)
def test_what_is_no_window_is_refused_and_all_at_once(window: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        read_windows([{"duration": "1h", **window}, {"schedule": "0 8 * * *", "duration": "1h"}] * 2)
    assert [d.summary for d in refused.value.diagnostics] == [
        "The sync window 1 cannot be read",
        "The sync window 3 cannot be read",
    ]


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_answer_holds_until_it_says_so(time: datetime) -> None:
    windows = read_windows([{"schedule": "15 1,2,3 * * *", "duration": "50m", "timezone": "America/New_York"}])
    now = text(time)
    first = opening(windows, now)
    assert first.until > now
    halfway = later(now, seconds_until(first.until, now) / 2)
    assert opening(windows, min(halfway, later(first.until, -0.001))).allowed is first.allowed
    assert opening(windows, first.until).allowed is not first.allowed


# Suspensions


def suspension(scope: str, until: str = "") -> Suspension:
    return Suspension(scope, "maintenance", "me@here", NOW, until)


def test_the_closest_suspension_covers() -> None:
    whole, kind, one = suspension("all"), suspension("engine"), suspension("engine/a")
    assert covering((whole, kind, one), "engine/a") == one
    assert covering((whole, kind), "payments:engine/a") == kind
    assert covering((whole, kind), "service/a") == whole
    assert covering((kind,), "service/a") is None
    assert covered((kind,), ["engine/a", "service/a"]) == {"engine/a"}


def test_suspensions_are_kept_ended_and_resumed() -> None:
    notes = MemoryStore().notes
    suspend(notes, suspension("engine", "2026-03-02T12:30:00.000Z"))
    suspend(notes, suspension("all"))
    suspend(notes, suspension("engine", "2026-03-02T13:00:00.000Z"))
    assert [one.scope for one in load_suspensions(notes, NOW)] == ["all", "engine"]
    assert [one.scope for one in load_suspensions(notes, "2026-03-02T13:00:00.000Z")] == ["all"]
    end_suspensions(notes, "2026-03-02T13:00:00.000Z")
    assert [note.key for note in notes.under("")] == ["suspension/all"]
    assert resume(notes, "engine", "me@here") == ()
    suspend(notes, suspension("engine"))
    assert resume(notes, "all", "me@here") == ("all", "engine")
    assert load_suspensions(notes, NOW) == ()


# Policy and times


def test_a_policy_is_what_the_settings_say_or_the_default() -> None:
    assert read_policy({}) == Policy()
    policy = read_policy({"mode": "self-heal", "interval": "1m", "backoff": {"base": "1h"}, "healsPerHour": 1})
    assert policy == Policy(SyncMode.SELF_HEAL, 60.0, Backoff(3600.0, 2.0, 3600.0), 1, ())


def test_no_settings_make_the_daemon_spin() -> None:
    policy = read_policy({"interval": "1ms", "backoff": {"base": "1ms", "cap": "1ms", "factor": 1}})
    assert delay(policy.backoff, 1, "") >= 0.8
    rules = Rules("", "", True, None, None, (), lambda _: Locking(None, 0), lambda *_: Run("", "", "", "", ""))
    assert rules.interval_by(policy) == 1.0
    assert rules._replace(interval=0.0).interval_by(policy) == 1.0


def test_times_are_sortable_texts() -> None:
    assert later(NOW, 0.5) == "2026-03-02T12:00:00.500Z"
    assert later(NOW, 1e18) > later(NOW, 1e9) > NOW > later(NOW, -1)
    assert (seconds_until(later(NOW, 90), NOW), seconds_until(NOW, later(NOW, 90))) == (90.0, 0.0)
