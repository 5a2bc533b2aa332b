"""Engines: their configuration file and data folder."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from drivers.component import Component
from drivers.process.world import READY, World, program

CONFIGURATION = {"threads": 4, "extensions": ["httpfs"]}


def engine(name: str, state: str = "running", **spec: Any) -> Component:
    return Component("Engine", name, state, {"engine": "duckdb", "version": "1.1", **spec})


def library(name: str, file: str, state: str = "running", **spec: Any) -> Component:
    return engine(name, state, **{"configuration": CONFIGURATION, "configurationFile": file, **spec})


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("json", '{\n  "extensions": [\n    "httpfs"\n  ],\n  "threads": 4\n}\n'),
        ("yaml", "extensions:\n  - httpfs\nthreads: 4\n"),
        ("toml", "threads = 4\n"),
        ("env", "threads=4\n"),
    ],
)
def test_the_configuration_is_rendered_by_the_files_suffix(world: World, suffix: str, text: str) -> None:
    one = library(f"formats-{suffix}", f"etc/{suffix}.{suffix}")
    assert world.go(one) == [""]
    assert text in (world.root / f"etc/{suffix}.{suffix}").read_text()
    assert world.drift(one) == ("", "")
    assert world.driver.health(one.record()).healthy
    assert not world.supervisor.look().of(program(one))


def test_a_changed_file_is_drift_and_written_anew(world: World) -> None:
    one = library("drifts", "etc/drifts.yaml", "installed")
    assert world.go(one) == [""]
    file = world.root / "etc/drifts.yaml"
    wanted = file.read_text()
    file.write_text("threads: 99\n")
    assert world.drift(one) == ("installed", "etc/drifts.yaml: content changed")
    assert world.go(one, before=one) == [""]
    assert file.read_text() == wanted
    file.unlink()
    assert world.drift(one) == ("installed", "etc/drifts.yaml: missing")


def test_a_strangers_file_is_left_alone(world: World) -> None:
    file = world.root / "etc/theirs.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("theirs: true\n")
    (error,) = world.go(library("greedy", "etc/theirs.yaml"))
    assert error == f"{file} is there and not managed by ureg: move it away, or name another file"
    assert file.read_text() == "theirs: true\n"


def test_a_link_in_the_files_place_is_not_followed(world: World) -> None:
    outside = world.root / "outside.yaml"
    outside.write_text("x: 1\n")
    (world.root / "etc").mkdir(exist_ok=True)
    (world.root / "etc/link.yaml").symlink_to(outside)
    (error,) = world.go(library("linked", "etc/link.yaml"))
    assert "symbolic link" in error
    assert outside.read_text() == "x: 1\n"


def test_an_unknown_format_is_refused(world: World) -> None:
    (error,) = world.go(library("odd", "etc/odd.conf"))
    assert error == "the format of etc/odd.conf is unknown: name it .env, .json, .toml, .yaml, .yml"


def test_a_file_that_moves_or_goes_is_removed_where_it_was(world: World) -> None:
    old, new = library("moves", "etc/old.yaml"), library("moves", "etc/new.yaml")
    assert world.go(old) == [""]
    assert world.go(new, before=old) == [""]
    assert not (world.root / "etc/old.yaml").exists()
    assert world.move(new, "installed", "registered") == ""
    assert not (world.root / "etc/new.yaml").exists()


def test_the_data_folder_is_made_and_never_removed(world: World) -> None:
    one = engine("keeps", dataDirectory="data/keeps")
    assert world.go(one) == [""]
    folder: Path = world.root / "data/keeps"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (folder / "rows").write_text("many")
    assert world.move(one, "running", "absent") == ""
    assert (folder / "rows").read_text() == "many"


def test_a_running_engine_starts_anew_for_another_configuration(world: World) -> None:
    spec: dict[str, Any] = {"command": ["sleep", "1000"], "readiness": READY}
    old = library("reads", "etc/reads.json", **spec)
    assert world.go(old) == [""]
    pid = world.pid(old)
    assert world.go(old, before=old) == [""]
    assert world.pid(old) == pid
    new = library("reads", "etc/reads.json", **spec, configuration={"threads": 8})
    assert world.go(new, before=old) == [""]
    assert world.pid(new) != pid
