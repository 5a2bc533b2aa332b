"""What a power cut leaves of an apply can be opened, holds all that was told, and is brought to the end by one more."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from crash import power
from crash.checker import Checker
from crash.stage import APPLY, Done, Stage

Note = Callable[[str, object], None]

IMAGES = 100
RECOVERIES = 4
"""How many of the images of each apply an ordinary run also recovers; a long one recovers all."""


@pytest.mark.parametrize("start", ["from the first version", "from nothing"])
def test_every_image_of_a_cut(
    sqlite_stage: Stage, start: str, tmp_path: Path, crash_runs: int, record_property: Note
) -> None:
    folder = sqlite_stage.root / ".ureg"
    if start == "from nothing":
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
    shutil.copytree(folder, tmp_path / "start")
    ops = _record(folder, tmp_path / "trace", lambda wrapper: sqlite_stage.run(*APPLY, wrapper=wrapper).code)
    end = sqlite_stage.keep_end("end of a recording")
    power.write_image({}, folder, folder)
    shutil.copytree(tmp_path / "start", folder, dirs_exist_ok=True)
    count = crash_runs or IMAGES
    every = 1 if crash_runs else count // RECOVERIES
    for number, (cut, image) in enumerate(power.images(ops, folder, count, seed=20261124)):
        power.write_image(image, folder, folder)
        crashed = Done(-9, power.said(ops[:cut]), "", 0)
        if number % every:
            violations, _ = Checker(sqlite_stage.root, sqlite_stage.environment).look(crashed._asdict())
        else:
            violations = list(sqlite_stage.check(crashed, end).violations)
        assert not violations, (number, cut, violations)
    record_property("images of a power cut", count)


@pytest.mark.parametrize(
    ("sync_file", "sync_folder", "safe"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
def test_a_missing_sync_is_found(tmp_path: Path, sync_file: bool, sync_folder: bool, safe: bool) -> None:
    """A program that tells before all is synced loses what it told in some image."""
    program = f"""
import os
folder = os.getcwd()
file = os.open(folder + "/new", os.O_CREAT | os.O_WRONLY)
os.write(file, b"x" * 2000)
if {sync_file}: os.fsync(file)
os.rename(folder + "/new", folder + "/kept")
if {sync_folder}: os.fsync(os.open(folder, os.O_RDONLY))
os.write(1, b"told")
"""
    folder = tmp_path / "files"
    folder.mkdir()
    ops = _record(
        folder,
        tmp_path / "trace",
        lambda wrapper: (
            subprocess.run(
                [*wrapper, sys.executable, "-c", program], cwd=folder, check=True, stdout=subprocess.DEVNULL
            ).returncode
        ),
    )
    (folder / "kept").unlink()
    left = [
        image.get(str(folder / "kept"))
        for cut, image in power.images(ops, folder, 200, seed=1)
        if power.said(ops[:cut]) == "told"
    ]
    assert all(data == b"x" * 2000 for data in left) is safe


def _record(folder: Path, trace: Path, run: Callable[[list[str]], int]) -> list[power.Op]:
    """What a program does to the files below `folder`, in order."""
    recorder = power.Recorder(folder)
    assert run(power.command(trace)) == 0
    return recorder.read(trace.read_text(errors="surrogateescape"))
