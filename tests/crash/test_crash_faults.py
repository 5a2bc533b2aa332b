"""Full and failing disks, a repository and a clock that jump, a database that restarts, a driver that hangs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from crash import killing, things
from crash.stage import APPLY, HERE, Done, Stage, ended
from state.postgres_server import PostgresServer

FIRST = ("thing/t01", "update")
Note = Callable[[str, object], None]

_SMALL_DISK = """
set -e
mount -t tmpfs -o size=2m,mode=700 none .ureg
cp -a "$KEPT/." .ureg
head -c "$(($(stat -f -c '%a*%S' .ureg) - FREE))" /dev/zero > .ureg/filler
set +e
"$@"
code=$?
rm .ureg/filler
cp -a .ureg/. "$AFTER"
exit $code
"""
"""Runs a command with its state on a disk of 2 MB that has FREE bytes left, and keeps what it leaves in AFTER."""


@pytest.mark.parametrize("fault", ["pwrite64:error=ENOSPC", "fsync:error=EIO", "fdatasync:error=EIO"])
def test_the_disk_fails_from_some_call_on(
    sqlite_stage: Stage, fault: str, crash_runs: int, record_property: Note
) -> None:
    syscall, _, error = fault.partition(":")
    places = killing.spread(killing.boundaries(sqlite_stage, [syscall]), 0 if crash_runs else 3)
    for place in places:
        sqlite_stage.restore()
        wrapper = ["strace", "-qqq", "-o", "/dev/null", "-e", f"trace={syscall}"]
        done = sqlite_stage.run(*APPLY, wrapper=[*wrapper, "-e", f"inject={syscall}:{error}:when={place.number}+"])
        _ended_in_words(done)
        assert not sqlite_stage.check(done).violations, place
    record_property("disk faults", len(places))


@pytest.mark.parametrize("free", [0, 40_000, 400_000, 1_060_000])
def test_the_disk_is_full(sqlite_stage: Stage, free: int, record_property: Note) -> None:
    """On a small disk of its own where that can be mounted, else with a limit of the size of files."""
    after = sqlite_stage.folder / "after"
    shutil.rmtree(after, ignore_errors=True)
    after.mkdir(mode=0o700)
    if _can_mount():
        small_disk = ["unshare", "--mount", "sh", "-c", _SMALL_DISK, "sh"]
        places = {"KEPT": str(sqlite_stage.folder / "kept"), "AFTER": str(after), "FREE": str(free)}
        done = sqlite_stage.run(*APPLY, wrapper=small_disk, environment=places)
        shutil.rmtree(sqlite_stage.root / ".ureg")
        shutil.copytree(after, sqlite_stage.root / ".ureg")
    else:
        size = (sqlite_stage.root / ".ureg/state.db").stat().st_size
        done = sqlite_stage.run(*APPLY, wrapper=["prlimit", f"--fsize={size + free}"])
    _ended_in_words(done)
    assert done.code == 1
    assert not sqlite_stage.check(done).violations
    record_property("disk faults", 1)


def test_the_repository_is_force_pushed_between_plan_and_apply(stage: Stage) -> None:
    head = stage.git("rev-parse", "HEAD")
    stage.ureg("plan", "-out=saved")
    stage.git("checkout", "-q", "-B", "main", "HEAD~1")
    stage.git("reflog", "expire", "--expire=now", "--all")
    stage.git("gc", "-q", "--prune=now")
    _refused(stage)
    stage.commit(things.manifests(2, 2))
    _refused(stage)
    stage.git("update-ref", "-d", "refs/heads/main")
    _refused(stage)
    # The same files as were planned, by another way.
    stage.commit(things.manifests(stage.size, 2))
    assert stage.git("rev-parse", "HEAD") != head
    _refused(stage)
    assert not stage.check(Done(1, "", "", 0)).violations


@pytest.mark.parametrize("jump", [3600, -3600])
def test_the_clock_jumps(stage: Stage, jump: int) -> None:
    """In the middle of an apply, for it and for a rival on the same machine."""
    clock = stage.folder / "clock"
    clock.write_text("0")
    path = os.pathsep.join([str(HERE / "clock"), stage.environment["PYTHONPATH"]])
    wrong = {"PYTHONPATH": path, "LEDGER_CLOCK": str(clock)}
    stage.order(hang=[" ".join(FIRST)])
    with stage.start(*APPLY, environment=wrong) as holder:
        stage.await_call(*FIRST)
        (stage.folder / "jumped").write_text(str(jump))
        (stage.folder / "jumped").replace(clock)  # whoever reads it finds the one or the other
        rival = stage.run("apply", "-auto-approve", environment={**wrong, "LEDGER_ORDERS": "none"})
        stage.order()
        done = ended(holder)
    assert rival.code == 1, rival.out
    assert "The state is locked" in rival.err
    assert done.code == 0, done.out[-1000:]
    assert not stage.check(done).violations


def test_postgresql_restarts(postgresql_stage: Stage, server: PostgresServer) -> None:
    postgresql_stage.order(delay=0.4)
    with postgresql_stage.start(*APPLY) as process:
        postgresql_stage.await_call(*FIRST)
        server.restart()
        done = ended(process)
    _ended_in_words(done)
    postgresql_stage.order()
    assert not postgresql_stage.check(done).violations


def test_postgresql_ends_every_connection(postgresql_stage: Stage, server: PostgresServer) -> None:
    postgresql_stage.order(delay=0.4)
    with postgresql_stage.start(*APPLY) as process:
        postgresql_stage.await_call(*FIRST)
        server.cut_off(urlsplit(postgresql_stage.environment["UREG_STATE"]).path.lstrip("/"))
        done = ended(process)
    _ended_in_words(done)
    postgresql_stage.order()
    assert not postgresql_stage.check(done).violations


def test_a_driver_hangs(stage: Stage) -> None:
    """`start` has two seconds, by the schema."""
    stage.order(hang=["thing/t05 start"])
    done = stage.run(*APPLY)
    assert done.code == 1
    assert "start did not end within 2s" in done.out
    assert done.seconds < 6
    stage.order()
    assert not stage.check(done).violations


def test_a_driver_fails_and_tells_a_secret(stage: Stage) -> None:
    stage.order(fail=["thing/t01 update"])
    done = stage.run(*APPLY)
    assert done.code == 1
    assert "it was ordered to fail, and tells its secret (sensitive)" in done.out
    stage.order()
    assert not stage.check(done).violations


def _ended_in_words(done: Done) -> None:
    """Either it went well in spite of the fault, or it said what is wrong."""
    assert done.code in (0, 1), done
    assert done.code == 0 or '"@level":"error"' in done.out, done


def _refused(stage: Stage) -> None:
    before = stage.calls()
    done = stage.run("apply", "saved")
    assert done.code == 1, done
    assert "stale" in done.err, done
    assert stage.calls() == before


def _can_mount() -> bool:
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0
