"""Which notices follow from what, and that each lasting state is said once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from daemon.reports import COMMIT, NOON, component, report
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.daemon.herald import Herald
from reconciler.daemon.notices import MOST_AT_ONCE, Told, decide
from reconciler.daemon.times import later
from reconciler.model.daemon import ComponentStatus, ConditionType, CycleReport, Notice, NoticeKind, Verdict
from reconciler.ports import StateError
from reconciler.state.sqlite import SqliteStore

READY, DRIFTED, STALLED = ConditionType.READY, ConditionType.DRIFTED, ConditionType.STALLED
SUSPENDED = ConditionType.SUSPENDED

failing = component("service/web", failures=1, message="port 80 is taken")
drifted = component("service/web", READY, DRIFTED, message="stopped")
flapping = component("service/web", DRIFTED, STALLED, stalled="Flapping")


def said(reports: Sequence[CycleReport], remind_after: float = 0, apart: float = 60) -> list[list[str]]:
    """The kind and subject of each notice of each cycle; cycles are `apart` seconds from each other."""
    told: Told = {}
    notices = []
    for number, one in enumerate(reports):
        new, told = decide(one, told, later(NOON, number * apart), remind_after)
        notices.append([f"{notice.kind} {notice.subject}".strip() for notice in new])
    return notices


@pytest.mark.parametrize(
    ("bad", "notice"),
    [
        (report(failing, verdict=Verdict.FAILED), "failed service/web"),
        (report(drifted), "drifted service/web"),
        (report(flapping), "flapping service/web"),
        (report(verdict=Verdict.BROKEN, errors=("No such host",)), "failed"),
        (report(verdict=Verdict.REFUSED, desired="bad", errors=("a.yaml:1:1",)), "refused"),
        (report(verdict=Verdict.STOPPED, desired="big"), "stopped"),
        (report(trouble="origin cannot be reached"), "source"),
    ],
)
def test_what_lasts_is_said_once_and_so_is_its_end(bad: CycleReport, notice: str) -> None:
    subject = notice.partition(" ")[2]
    end = f"recovered {subject}".strip()
    assert said([report(), bad, bad, bad, report(), report(), bad]) == [
        ["synced"], [notice], [], [], [end], [], [notice],
    ]  # fmt: skip


def test_each_commit_that_is_applied_is_told_of_once() -> None:
    first, second = report(applied="a" * 40), report(applied="b" * 40)
    assert said([first, first, second, second, first]) == [["synced"], [], ["synced"], [], ["synced"]]


def test_what_was_applied_is_counted() -> None:
    (notice,), _ = decide(report(changes={"update": 2, "create": 1, "delete": 0}), {}, NOON)
    assert (notice.title, notice.text) == ("Commit c0ffeec0ffee is applied", "Applied: create 1, update 2.")
    assert notice.commit == COMMIT


def test_another_bad_commit_is_news_and_no_recovery() -> None:
    first, second = (report(verdict=Verdict.REFUSED, desired=name) for name in ("one", "two"))
    assert said([first, second, report()]) == [["refused", "synced"], ["refused"], ["recovered"]]


def test_flapping_is_no_end_of_drift() -> None:
    assert said([report(drifted), report(flapping), report()]) == [
        ["drifted service/web", "synced"], ["flapping service/web"], ["recovered service/web"],
    ]  # fmt: skip


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.STOPPED])
def test_a_locked_state_ends_nothing(verdict: Verdict) -> None:
    bad, locked = (report(verdict=one, desired="bad") for one in (verdict, Verdict.PENDING))
    assert said([report(), bad, locked, bad, report()])[1:] == [[verdict.value], [], [], ["recovered"]]


def test_a_commit_with_errors_behind_one_that_a_guard_stops() -> None:
    stopped, refused = report(verdict=Verdict.STOPPED, desired="big"), report(verdict=Verdict.REFUSED, desired="bad")
    assert said([report(), stopped, refused, report()])[1:] == [["stopped"], ["refused"], ["recovered", "recovered"]]


def test_a_trouble_is_told_again_where_that_is_asked_for() -> None:
    bad = report(failing)
    assert said([bad] * 5, remind_after=3600, apart=1800) == [
        ["failed service/web", "synced"], [], ["failed service/web"], [], ["failed service/web"],
    ]  # fmt: skip


def test_a_suspended_component_is_not_spoken_of() -> None:
    suspended = report(component("service/web", SUSPENDED, DRIFTED, failures=3))
    assert said([suspended, report(failing), suspended, report(failing), report()]) == [
        ["synced"], ["failed service/web"], [], [], ["recovered service/web"],
    ]  # fmt: skip


def test_a_cycle_that_could_not_look_ends_nothing() -> None:
    blind = report(verdict=Verdict.BROKEN, applied="")
    assert said([report(drifted), blind, report(drifted)]) == [
        ["drifted service/web", "synced"], ["failed"], ["recovered"],
    ]  # fmt: skip


def test_a_trouble_that_differs_in_its_numbers_is_the_same() -> None:
    one, two = (report(trouble=f"No answer for {n} s") for n in (10, 20))
    assert said([one, two]) == [["source", "synced"], []]


def test_many_components_in_one_state_make_one_notice() -> None:
    many = [component(f"service/s{n}", DRIFTED, failures=1) for n in range(1_000)]
    notices, told = decide(report(*many), {}, NOON)
    assert [(n.kind, n.subject) for n in notices] == [("failed", ""), ("drifted", ""), ("synced", "")]
    assert notices[1].title == "1,000 components drifted"
    assert notices[1].text.endswith("and 980 more")
    again, told = decide(report(*many), told, NOON)
    assert again == ()
    (end, *_), _ = decide(report(), told, NOON)
    assert end.title == "2,000 components are well again"


def test_a_few_make_one_each() -> None:
    few = [component(f"service/s{n}", DRIFTED) for n in range(MOST_AT_ONCE)]
    notices, _ = decide(report(*few), {}, NOON)
    assert [n.kind for n in notices] == [*(["drifted"] * MOST_AT_ONCE), "synced"]


components = st.builds(
    component,
    st.sampled_from(["service/a", "service/b", "engine/c"]),
    st.sampled_from([READY, DRIFTED, SUSPENDED]),
    failures=st.integers(0, 1),
)
statuses = st.lists(components, unique_by=lambda c: c.address, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(statuses, min_size=1, max_size=6))
def test_what_was_said_is_known(cycles: list[list[ComponentStatus]]) -> None:
    """A cycle that sees what the one before saw says nothing; and an end is told of what was told of alone."""
    told: Told = {}
    begun: set[str] = set()
    for cycle in cycles:
        notices, told = decide(report(*cycle), told, NOON)
        begun |= {notice.key for notice in notices}
        ended = {n.key.removeprefix("recovered/") for n in notices if n.kind is NoticeKind.RECOVERED}
        assert ended <= begun
        assert decide(report(*cycle), told, NOON) == ((), told)


class Ear:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, notice: Notice) -> None:
        self.heard.append(notice.kind)

    def close(self, timeout: float) -> None:
        return


def test_the_next_process_does_not_say_it_again(tmp_path: Path) -> None:
    ears = [Ear(), Ear()]
    for ear in ears:
        store = SqliteStore(tmp_path / "state.db")
        herald = Herald(store.notes, [ear], lambda: NOON)
        herald(report(failing))
        store.close()
    assert [ear.heard for ear in ears] == [["failed", "synced"], []]


def test_another_leader_s_word_counts(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    ears = [Ear(), Ear()]
    old, new = (Herald(store.notes, [ear], lambda: NOON) for ear in ears)
    old(report())
    new(report(failing))
    old(report(failing))
    store.close()
    assert [ear.heard for ear in ears] == [["synced"], ["failed"]]


def test_without_the_state_it_is_still_said_once(tmp_path: Path) -> None:
    """A database that is gone is what people want to hear of."""
    place = tmp_path / "state"
    store = SqliteStore(place / "state.db")
    ear = Ear()
    herald = Herald(store.notes, [ear], lambda: NOON)
    place.write_text("in the way")
    with pytest.raises(StateError):
        store.notes.put("a/b", b"{}", 0)
    broken = report(verdict=Verdict.BROKEN)
    herald(broken)
    herald(broken)
    place.unlink()
    herald(broken)
    herald(report())
    store.close()
    assert ear.heard == ["failed", "synced", "recovered"]
