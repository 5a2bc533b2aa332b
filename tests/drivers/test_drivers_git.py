"""The driver of sub-registries keeps and drops the copies that planning makes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from drivers.component import Component
from sites import site_of

from reconciler.drivers.loading import load_driver
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Outcome, Transition
from reconciler.ports import Driver

ONE, TWO = "1" * 40, "2" * 40
SOURCE = {"path": "/srv/git/payments"}


def payments(commit: str, state: str = "enabled") -> Component:
    return Component("Registry", "payments", state, {"source": SOURCE, "commit": commit})


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    return tmp_path / "registries"


@pytest.fixture
def driver(place: Path, mirrors: Path) -> Driver:
    return load_driver("git", site_of(place, mirrors=mirrors))


@pytest.fixture
def mirror(mirrors: Path) -> Path:
    """A mirror of `payments` that has both commits, and beside it one of somebody else."""
    for name, address in (("a", "registry/payments"), ("b", "registry/other")):
        for commit in (ONE, TWO):
            (mirrors / name / commit).mkdir(parents=True)
        owner = orjson.dumps({"address": address, "source": SOURCE}, option=orjson.OPT_SORT_KEYS)
        (mirrors / name / "owner").write_bytes(owner)
    return mirrors / "a"


def step(component: Component, source: str, target: str) -> Transition:
    return component.apply()._replace(old=component.json(), source=source, target=target)


def test_enabling_takes_the_pinned_commit_and_drops_the_others(driver: Driver, mirror: Path) -> None:
    assert driver.execute([step(payments(TWO), "disabled", "enabled")]) == [Outcome("registry/payments")]
    assert sorted(path.name for path in mirror.iterdir()) == [TWO, "owner"]
    assert (mirror.parent / "b" / ONE).is_dir()
    assert driver.execute([step(payments(TWO), "enabled", "enabled")]) == [Outcome("registry/payments")]


def test_a_commit_that_is_gone_is_told(driver: Driver, mirror: Path) -> None:
    (outcome,) = driver.execute([step(payments("3" * 40), "disabled", "enabled")])
    assert outcome.error == "the commit 333333333333 is not here any more: plan again to fetch it"
    assert (mirror / ONE).is_dir()


@pytest.mark.parametrize(("source", "target"), [("enabled", "disabled"), ("disabled", ABSENT)])
def test_disabling_and_removing_drop_the_copy(driver: Driver, mirror: Path, source: str, target: str) -> None:
    for _ in range(2):
        assert driver.execute([step(payments(ONE), source, target)]) == [Outcome("registry/payments")]
    assert sorted(path.name for path in mirror.parent.iterdir()) == ["b"]


def test_adding_leaves_alone_what_planning_fetched(driver: Driver, mirror: Path) -> None:
    driver.execute([payments(ONE, "disabled").apply()])
    assert (mirror / ONE).is_dir()


def test_a_branch_that_moved_is_no_drift(driver: Driver) -> None:
    assert list(driver.observe([payments(ONE).record()])) == []
    assert driver.health(payments(ONE).record()).message == "pinned to 111111111111"
    assert list(driver.logs(payments(ONE).record(), 10, False)) == []
