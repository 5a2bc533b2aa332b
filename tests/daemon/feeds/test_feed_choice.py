"""What is watched, by settings and flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemon.feeds.ear import Ear
from estate import Estate

from reconciler.bootstrap import Registry, open_registry
from reconciler.daemon.feeds.branch import BranchFeed
from reconciler.daemon.feeds.choice import Around, Asked, Watched, choose
from reconciler.daemon.feeds.files import FilesFeed
from reconciler.model.diagnostics import Invalid

SECRETS = {"env:HOOK": "a secret of some length", "env:SHORT": "short"}


def read_secret(place: str) -> str:
    if place not in SECRETS:
        raise ValueError(f"{place} is not set")
    return SECRETS[place]


def registry_of(estate: Estate, cache: Path, watch: str = "") -> tuple[Registry, Around]:
    if watch:
        (estate.work / "ureg.yaml").write_text(f"watch: {watch}\n")
    environment = {"XDG_CACHE_HOME": str(cache)}
    registry = open_registry(estate.work, {}, environment)
    return registry, Around(environment, "", read_secret, print, lambda seconds, well: None)


def chosen(estate: Estate, cache: Path, watch: str = "", asked: Asked = Asked()) -> Watched:  # noqa: B008
    registry, around = registry_of(estate, cache, watch)
    return choose(registry, asked, around)


def test_the_files_where_nothing_is_said(estate: Estate, tmp_path: Path) -> None:
    watched = chosen(estate, tmp_path / "cache")
    assert isinstance(watched.feed, FilesFeed)
    assert watched[1:4] == ("the working tree", None, {})


def test_a_branch_of_this_repository(estate: Estate, tmp_path: Path) -> None:
    watched = chosen(estate, tmp_path / "cache", "{branch: main}")
    assert isinstance(watched.feed, BranchFeed)
    assert watched[1:4] == ("main", estate.work.resolve(), {})


def test_flags_win_and_the_branch_is_mirrored(estate: Estate, tmp_path: Path, ear: Ear) -> None:
    estate.pushed()
    commit = estate.git("rev-parse", "HEAD")
    estate.git("push", "-q", "origin", "HEAD:other")
    watch = "{branch: main, remote: /nowhere, fetch: {timeout: 5s}}"
    watched = chosen(estate, tmp_path / "cache", watch, Asked("other", "origin"))
    watched.feed.start(ear.tell)
    assert ear.next().commit == commit
    watched.feed.stop()
    assert watched.title == "other of origin"
    assert watched.repository is not None
    assert watched.repository.is_relative_to(tmp_path / "cache")


def test_the_hook_needs_a_secret_that_is_there_and_long(estate: Estate, tmp_path: Path) -> None:
    watch = "{branch: main, hook: {secret: {secretRef: 'env:%s'}}}"
    assert list(chosen(estate, tmp_path / "cache", watch % "HOOK").routes) == [("POST", "/hooks/git")]
    for place in ("SHORT", "GONE"):
        with pytest.raises(Invalid, match="hook cannot be opened"):
            chosen(estate, tmp_path / "cache", watch % place)


@pytest.mark.parametrize(
    "watch",
    [
        "{branch: main, remote: 'ext::sh -c id'}",
        "{branch: 'a b'}",
        "{branch: main, verify: {mode: ssh, keys: [{key: x}]}}",
    ],
)
def test_what_is_not_sound_is_refused_at_once(estate: Estate, tmp_path: Path, watch: str) -> None:
    with pytest.raises(Invalid):
        chosen(estate, tmp_path / "cache", watch)


@pytest.mark.parametrize(
    "watch", ["{verify: {mode: ssh, keys: []}}", "{onForcePush: maybe}", "{fetch: {protocols: [git]}}"]
)
def test_settings_are_judged_by_their_schema(estate: Estate, tmp_path: Path, watch: str) -> None:
    with pytest.raises(Invalid):
        registry_of(estate, tmp_path / "cache", watch)
