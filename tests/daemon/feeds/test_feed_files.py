"""The feed of files, with real files and a real watcher."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest
from daemon.feeds.ear import Ear

from reconciler.daemon.feeds.files import FilesFeed, is_temporary
from reconciler.model.daemon import Why


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    return folder


@pytest.fixture
def feed(root: Path, ear: Ear) -> Iterator[FilesFeed]:
    made = FilesFeed(root, 0.02, ["state", "out/rendered.json"])
    made.start(ear.tell)
    yield made
    made.stop()


@pytest.mark.usefixtures("feed")
def test_a_burst_is_told_once(root: Path, ear: Ear) -> None:
    for number in range(20):
        (root / f"{number:02}.yaml").write_text("a: 1\n")
    told = ear.next()
    assert told.why is Why.FILES
    assert told.detail == "00.yaml and 19 more changed"
    assert ear.silent(0.2)


@pytest.mark.usefixtures("feed")
def test_a_rename_over_a_file_is_told_under_the_name_that_stays(root: Path, ear: Ear) -> None:
    (root / "a.yaml.tmp").write_text("a: 1\n")
    (root / "a.yaml.tmp").rename(root / "a.yaml")
    assert ear.next().detail == "a.yaml changed"


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("path", ["state/state.db", "out/rendered.json", ".git/index", ".ureg/x", "sub/.a.yaml.swp"])
def test_what_is_ours_or_gits_or_an_editors_is_not_told(root: Path, ear: Ear, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    while not ear.silent(0.1):  # the new folder itself may be told
        pass
    (root / path).write_text("x")
    assert ear.silent(0.2)


def test_the_end_is_quick_and_final(root: Path, feed: FilesFeed, ear: Ear) -> None:
    feed.stop()
    feed.stop()
    (root / "a.yaml").write_text("a: 1\n")
    assert ear.silent(0.1)


def test_a_folder_that_is_gone_is_trouble_and_not_an_end(tmp_path: Path, ear: Ear) -> None:
    feed = FilesFeed(tmp_path / "gone", 0.01)
    feed.start(ear.tell)
    told = ear.next()
    feed.stop()
    assert told.why is Why.SOURCE
    assert "cannot be watched" in told.trouble


@pytest.mark.parametrize(
    "name",
    ["a.yaml~", ".a.yaml.swp", ".a.yaml.swx", "4913", ".#a.yaml", "#a.yaml#", "a.yaml.tmp", "a.yaml___jb_tmp___",
     "sedGx3f9k", ".goutputstream-X1", ".a.yaml.kate-swp", "a.yaml.orig"],
)  # fmt: skip
def test_what_editors_leave_for_a_moment_is_passed_over(name: str) -> None:
    assert is_temporary(PurePath("registry.d") / name)


@pytest.mark.parametrize("name", ["a.yaml", "4914.yaml", "swp.yaml", "sedan.yml", "tmp", "ureg.yaml", "draw.io"])
def test_what_a_registry_is_made_of_is_not_passed_over(name: str) -> None:
    assert not is_temporary(PurePath("registry.d") / name)


@pytest.mark.usefixtures("feed")
def test_a_name_that_is_no_text_hides_no_change(root: Path, ear: Ear) -> None:
    (root / os.fsdecode(b"\xff.yaml")).write_text("a: 1\n")
    assert ear.next().why is Why.FILES
    (root / "b.yaml").write_text("a: 1\n")
    assert ear.next().detail == "b.yaml changed"
