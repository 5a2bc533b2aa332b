"""Drift of processes, in words and piece by piece."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from drivers.process.world import READY, World, free_port, program, server, service, shell, wait_until

from reconciler.model.record import Seen


def test_nothing_is_seen_where_nothing_runs_and_nothing_should(world: World) -> None:
    records = [shell(f"rest-{state}", "", state).record() for state in ("registered", "installed", "stopped")]
    assert list(world.driver.observe(records)) == []


def test_a_process_that_ended_is_seen_with_its_code(world: World) -> None:
    ends = shell("ends", "sleep 1.5; exit 9", restart={"policy": "never", "delay": "10ms"}, readiness=READY)
    assert world.go(ends) == [""]
    wait_until(lambda: world.drift(ends) == ("stopped", "it ended with exit code 9"))
    assert not world.driver.health(ends.record()).healthy


def test_a_process_that_was_killed_is_seen_as_killed(world: World) -> None:
    ends = shell("ends", "sleep 1.5; kill -9 $$", restart={"policy": "never", "delay": "10ms"}, readiness=READY)
    assert world.go(ends) == [""]
    wait_until(lambda: world.drift(ends) == ("stopped", "it was killed by a signal"))


def test_one_of_several_that_ended_is_named(world: World) -> None:
    some = shell(
        "some",
        'sleep 1.5; [ "$UREG_REPLICA" = 1 ] && exit 2; exec sleep 1000',
        replicas=2,
        restart={"policy": "never", "delay": "10ms"},
        readiness=READY,
    )
    assert world.go(some) == [""]
    wait_until(lambda: world.drift(some) == ("stopped", "process 2 of 2 ended with exit code 2"))


def test_one_that_keeps_ending_is_seen(world: World) -> None:
    worse = shell("worse", "test -e fine || exit 1; exec sleep 1000", readiness=READY, restart={"delay": "10ms"})
    fine = world.root / "fine"
    fine.touch()
    assert world.go(worse) == [""]
    fine.unlink()
    os.kill(world.pid(worse), signal.SIGKILL)
    wait_until(lambda: world.drift(worse) == ("stopped", "it ends right after each start"))


def test_one_that_was_stopped_by_hand_is_seen(world: World) -> None:
    halted = shell("halted", "exec sleep 1000", readiness=READY)
    assert world.go(halted) == [""]
    world.supervisor.forget()
    world.supervisor.halt(program(halted), 5)
    assert world.drift(halted) == ("stopped", "it was stopped")


def test_one_that_should_not_run_is_seen(world: World) -> None:
    runs = shell("runs", "exec sleep 1000", readiness=READY)
    assert world.go(runs) == [""]
    stopped = shell("runs", "exec sleep 1000", "stopped")
    (seen,) = world.driver.observe([stopped.record()])
    assert (seen.state, seen.drift) == ("running", "it runs, and should be stopped")
    assert seen.seen == (Seen("process", "stopped", f"running (pid {world.pid(runs)})"),)


def test_files_changed_by_hand_are_seen_field_by_field(world: World) -> None:
    edited = shell("edited", "exec sleep 1000", readiness=READY)
    assert world.go(edited) == [""]
    path = world.home / "programs" / f"{program(edited)}.launch"
    wait_until(lambda: Path(f"/proc/{world.pid(edited)}/comm").read_text() == "sleep\n")  # it has read the file by then
    changes = {b"exec sleep": b"evil", b"inherited\0PATH=": b"inherited\0PATH=/x:", b"UREG_ADDRESS=": b"ADDRESS="}
    launch = path.read_bytes()
    for old, new in changes.items():
        assert old in launch
        launch = launch.replace(old, new)
    path.write_bytes(launch)
    (seen,) = world.driver.observe([edited.record()])
    assert (seen.state, seen.drift) == ("running", "it was started otherwise: spec.command, spec.environment")
    assert [each.field for each in seen.seen] == ["spec.command", "spec.environment"]
    path.write_bytes(b"\0\xff\0")
    assert world.drift(edited)[1].startswith("it was started otherwise: ")
    assert world.go(edited, before=edited) == [""]
    assert world.drift(edited) == ("", "")


def test_health_says_why_not(world: World) -> None:
    port = free_port()
    broken = server("ill", port, healthCheck={"probe": {"http": {"port": port, "path": "/broken"}}})
    assert world.go(broken) == [""]
    health = world.driver.health(broken.record())
    assert (health.healthy, health.message.split(" is ")[0]) == (False, f"GET /broken on port {port}")
    assert world.driver.health(service("none", {"command": ["x"]}, "installed").record()).healthy


def test_observing_a_thousand_costs_little(world: World) -> None:
    running = shell("bulk", "exec sleep 1000", readiness=READY)
    assert world.go(running) == [""]
    records = [shell(f"bulk-{number}", "", "stopped").record() for number in range(1000)]
    began = time.monotonic()
    assert list(world.driver.observe([running.record(), *records])) == []
    assert time.monotonic() - began < 1


def test_looking_at_a_supervisord_imports_nothing_of_it(world: World) -> None:
    script = "import sys, reconciler.drivers.process; print(*sys.modules)"
    done = subprocess.run(["python3", "-c", script], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"supervisor", "concurrent.futures", "subprocess", "tempfile", "ctypes"}
