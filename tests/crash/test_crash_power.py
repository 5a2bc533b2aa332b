"""What a power cut leaves of an apply can be opened, holds all that was told, and is brought to the end by one more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crash import power
from crash.checker import Checker
from crash.stage import APPLY, Done, Stage

Note = Callable[[str, object], None]

IMAGES = 200
RECOVERIES = 10
"""How many of the images an ordinary run also recovers; a long one recovers all."""


def test_every_image_of_a_cut(sqlite_stage: Stage, tmp_path: Path, crash_runs: int, record_property: Note) -> None:
    folder = sqlite_stage.root / ".ureg"
    ops = _record(sqlite_stage, tmp_path / "trace")
    sqlite_stage.restore()
    count = crash_runs or IMAGES
    every = 1 if crash_runs else count // RECOVERIES
    for number, (cut, image) in enumerate(power.images(ops, folder, count, seed=20261124)):
        power.write_image(image, folder, folder)
        crashed = Done(-9, power.said(ops[:cut]), "", 0)
        if number % every:
            violations, _ = Checker(sqlite_stage.root, sqlite_stage.environment).look(crashed._asdict())
        else:
            violations = list(sqlite_stage.check(crashed).violations)
        assert not violations, (number, cut, violations)
    record_property("images of a power cut", count)


def _record(stage: Stage, trace: Path) -> list[power.Op]:
    """What an apply does to its files, in order."""
    recorder = power.Recorder(stage.root / ".ureg")
    done = stage.run(*APPLY, wrapper=power.command(trace))
    assert done.code == 0, done.err
    return recorder.read(trace.read_text(errors="surrogateescape"))
