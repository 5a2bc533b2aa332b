"""What goes wrong ends in words, takes nothing else with it, and leaves nothing running."""

from __future__ import annotations

import os
import socket

import pytest
from drivers.process.world import (
    READY,
    World,
    ask,
    free_port,
    is_alive,
    program,
    server,
    service,
    shell,
    wait_until,
)

NEVER = {"probe": {"tcp": {"port": 1}}, "interval": "500ms", "timeout": "200ms", "failureThreshold": 1}


def test_each_failure_has_its_words_and_the_rest_is_applied(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        bad = {
            "the command ureg-no-such is not found in PATH": service("unfound", {"command": ["ureg-no-such"]}),
            "the command {root}/server.py cannot be executed": service("plain", {"command": ["./server.py"]}),
            "the working directory gone is not there": shell("nowhere", "", workingDirectory="gone"),
            "there is no user nobody-here on this machine": shell("whose", "", user="nobody-here"),
            "spec.environment.A: the environment variable NOT_SET is not set": shell(
                "unknown", "", environment={"A": {"secretRef": "env:NOT_SET"}}
            ),
            f"the port {number} (http) is taken by ": server("late", number),
            "it ended before it was ready (exit status 3). It wrote last:\n  goodbye": shell(
                "short", "sleep 2; echo goodbye; exit 3", restart={"policy": "never", "delay": "10ms"}
            ),
            "it ended right after its start (exit status 0). It wrote nothing.": shell(
                "mute", "exit 0", restart={"policy": "never"}
            ),
            "it is not ready after ": shell("never", "exec sleep 1000", readiness=NEVER),
            "the command's first item is empty": service("empty", {"command": [""]}),
            "holds a NUL character": service("nul", {"command": ["true", "a\0b"]}),
            "update.ports lacks a second number for http": server("gentle", 1, update={"strategy": "blueGreen"}),
            "it was started 2 times and ended each time (exit status 4). It wrote last:\n  no": shell(
                "flaps", "echo no; exit 4", restart={"attempts": 2, "delay": "10ms"}
            ),
        }
        good = shell("good", "exec sleep 1000", readiness=READY)
        *errors, fine = world.go(*bad.values(), good)
    assert fine == ""
    for words, error in zip(bad, errors, strict=True):
        assert words.format(root=world.root) in error
    assert f"(pid {os.getpid()})" in errors[5]
    assert world.supervisor.look().programs.keys() == {program(good)}
    assert world.supervisor.home.names() == {program(good)}


def test_two_problems_are_told_at_once(world: World) -> None:
    (error,) = world.go(shell("both", "", user="nobody-here", workingDirectory="gone"))
    assert error == "there is no user nobody-here on this machine; the working directory gone is not there"


def test_dying_again_and_again_after_a_while_is_flapping(world: World) -> None:
    port = free_port()
    flapping = shell(
        "flapping",
        "echo alive; sleep 1.3; exit 7",
        readiness={"probe": {"tcp": {"port": port}}, "interval": "10s"},
        restart={"policy": "always", "attempts": 2, "delay": "10ms"},
    )
    (error,) = world.go(flapping)
    assert error.startswith("it was started 2 times and ended each time")
    assert error.endswith("  alive\n  alive")


def test_a_failure_shows_only_what_was_written_since_the_start(world: World) -> None:
    talks = shell("talks", "echo old words; exec sleep 1000", readiness=READY)
    assert world.go(talks) == [""]
    wait_until(lambda: "old words" in list(world.driver.logs(talks.record(), 1, False)))
    broken = shell("talks", "echo new words; exit 1", restart={"policy": "never"})
    (error,) = world.go(broken, before=talks)
    assert error.endswith("It wrote last:\n  new words")


def test_a_change_that_cannot_work_leaves_the_old_program_running(world: World) -> None:
    port = free_port()
    fine = server("steady", port)
    assert world.go(fine) == [""]
    pid = world.pid(fine)
    (error,) = world.go(service("steady", {"command": ["ureg-no-such"]}), before=fine)
    assert "ureg-no-such" in error
    assert world.pid(fine) == pid
    assert world.endpoints(fine) == [port]


def test_a_change_that_does_not_get_ready_is_taken_away_and_healed_later(world: World) -> None:
    port = free_port()
    fine = server("wavers", port)
    assert world.go(fine) == [""]
    (error,) = world.go(shell("wavers", "echo oh; exit 1", restart={"policy": "never"}), before=fine)
    assert "  oh" in error
    assert world.endpoints(fine) == []
    assert world.drift(fine) == ("stopped", "supervisord does not know it")
    assert world.move(fine, "stopped", "running") == ""
    assert world.endpoints(fine) == [port]


def test_a_start_ends_with_the_time_of_its_verb(world: World) -> None:
    slow = shell("slow", "exec sleep 1000", readiness={**NEVER, "interval": "1h"})
    (outcome,) = world.driver.execute([slow.apply()._replace(timeout=0.3)])
    assert outcome.error.startswith("it is not ready after ")


def test_a_supervisord_that_dies_meanwhile_fails_the_start_in_words(own_world: World) -> None:
    port = free_port()
    first = server("first", port)
    assert own_world.go(first) == [""]
    doomed = shell(
        "doomed",
        f"kill -KILL $(cat '{own_world.home}/supervisord.pid'); sleep 9",
        readiness={**NEVER, "interval": "2s"},
    )
    (error,) = own_world.go(doomed)
    assert "supervisord" in error
    assert own_world.move(first, "stopped", "running") == ""
    assert ask(port)["argv"] == []


def test_a_supervisord_that_does_not_answer_is_told_of(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.drivers.process_rpc._TIMEOUT", 0.3)
    asleep = shell("asleep", "exec sleep 1000", readiness=READY)
    own_world.home.mkdir(parents=True)
    folder = os.open(own_world.home, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"/proc/self/fd/{folder}/supervisord.sock")
        os.close(folder)
        silent.listen()
        with pytest.raises(OSError, match="does not answer"):
            own_world.driver.observe([asleep.record()])
        assert "does not answer" in own_world.go(asleep)[0]


def test_without_supervisor_installed_it_says_what_to_install(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (error,) = own_world.go(shell("any", "exec sleep 1000"))
    assert error == "supervisord is not installed: install ureg with the extra `services`"


def test_a_program_file_that_supervisord_cannot_read_is_named(own_world: World) -> None:
    neighbour = shell("neighbour", "exec sleep 1000", readiness=READY)
    assert own_world.go(neighbour) == [""]
    path = own_world.home / "programs" / f"{program(neighbour)}.conf"
    path.write_text(f"[program:{program(neighbour)}]\nnonsense=1\n")
    (error,) = own_world.go(shell("newcomer", "exec sleep 1000", readiness=READY))
    assert program(neighbour) in error
    assert own_world.drift(neighbour) == ("running", "it was started otherwise: program file")
    assert own_world.go(neighbour, before=neighbour) == [""]
    assert is_alive(own_world.pid(neighbour))
