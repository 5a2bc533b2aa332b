"""The way of a component through its states, with real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from drivers.process.world import READY, World, ask, free_port, is_alive, program, server, service, shell, wait_until

from reconciler.drivers.process import open_driver
from reconciler.drivers.process_start import SETTLE
from reconciler.model.outcome import Transition


def test_a_service_is_brought_up_kept_and_removed(world: World) -> None:
    port = free_port()
    one = server("one", port, "a", environment={"MOOD": "calm"})
    assert world.go(one) == [""]
    told = ask(port)
    assert told["argv"] == ["a"]
    assert told["environ"]["MOOD"] == "calm"
    assert told["environ"]["PORT"] == told["environ"]["PORT_HTTP"] == str(port)
    assert told["environ"]["UREG_ADDRESS"] == "service/one"
    assert told["pid"] == world.pid(one)
    assert world.endpoints(one) == [port]
    assert world.drift(one) == ("", "")
    assert world.driver.health(one.record()).healthy
    assert world.go(one, before=one) == [""]
    assert world.pid(one) == told["pid"]
    assert world.move(one, "running", "stopped") == ""
    assert not is_alive(told["pid"])
    assert world.endpoints(one) == []
    assert program(one) not in world.supervisor.home.names()
    assert list(world.driver.logs(one.record(), 1, False)) == ["request /"]
    assert world.move(one, "stopped", "registered") == ""
    assert list(world.driver.logs(one.record(), 5, False)) == []


def test_nothing_of_the_environment_of_whoever_applies_leaks_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_USER", "hush")
    port = free_port()
    assert world.go(server("clean", port)) == [""]
    assert "TOKEN_OF_THE_USER" not in ask(port)["environ"]


def test_a_change_restarts_what_changed_and_leaves_its_neighbour_alone(world: World) -> None:
    ports = free_port(), free_port()
    left, right = server("left", ports[0]), server("right", ports[1])
    assert world.go(left, right) == ["", ""]
    pids = world.pid(left), world.pid(right)
    changed = server("left", ports[0], "changed")
    assert world.go(changed, before=left) == [""]
    assert ask(ports[0])["argv"] == ["changed"]
    assert world.pid(left) != pids[0]
    more = server("left", ports[0], "changed", replicas=1, stopTimeout="3s", description="A program file changes.")
    assert world.go(more, before=changed) == [""]
    assert "stopwaitsecs=3" in world.supervisor.home.conf(program(left))
    assert world.pid(right) == pids[1]


@pytest.mark.parametrize("change", [{"description": "Other words."}, {"healthCheck": READY}])
def test_a_change_of_words_restarts_nothing(world: World, change: dict[str, object]) -> None:
    port = free_port()
    still = server("still", port)
    assert world.go(still) == [""]
    pid = world.pid(still)
    assert world.go(server("still", port, **change), before=still) == [""]
    assert world.pid(still) == pid
    assert world.move(still, "running", "stopped") == ""


def test_another_version_is_another_program(world: World) -> None:
    old = shell("versioned", "exec sleep 1000", version="1", readiness=READY)
    assert world.go(old) == [""]
    pid = world.pid(old)
    new = shell("versioned", "exec sleep 1000", version="2", readiness=READY)
    assert world.go(new, before=old) == [""]
    assert world.pid(old) != pid


def test_restart_starts_the_same_program_anew(world: World) -> None:
    again = shell("again", "exec sleep 1000", readiness=READY)
    assert world.go(again) == [""]
    pid = world.pid(again)
    assert world.go(again, before=again, verb="restart") == [""]
    assert world.pid(again) != pid


def test_without_a_check_a_program_must_stay_up(world: World) -> None:
    began = time.monotonic()
    assert world.go(shell("settles", "exec sleep 1000")) == [""]
    assert time.monotonic() - began >= SETTLE


def test_replicas_run_side_by_side(world: World) -> None:
    many = shell("many", 'echo "this is $UREG_REPLICA"; exec sleep 1000', replicas=3, readiness=READY)
    assert world.go(many) == [""]
    pids = {process.pid for process in world.supervisor.look().of(program(many))}
    assert len(pids) == 3
    wait_until(lambda: len(list(world.driver.logs(many.record(), 9, False))) == 3)
    assert sorted(world.driver.logs(many.record(), 9, False)) == [f"{n}: this is {n}" for n in range(3)]
    fewer = shell("many", 'echo "this is $UREG_REPLICA"; exec sleep 1000', replicas=1, readiness=READY)
    assert world.go(fewer, before=many) == [""]
    assert not any(map(is_alive, pids))


def test_what_does_not_end_is_killed(world: World) -> None:
    stubborn = shell(
        "stubborn",
        'trap "" TERM; echo there; while :; do sleep 0.1; done',
        stopTimeout="1s",
        readiness={
            "probe": {"command": ["sh", "-c", f"grep -q there '{world.home}'/logs/service~stubborn.blue_0.log"]}
        },
    )
    assert world.go(stubborn) == [""]
    pid = world.pid(stubborn)
    assert world.move(stubborn, "running", "stopped") == ""
    assert not is_alive(pid)


def test_the_stop_signal_is_the_one_asked_for(world: World) -> None:
    polite = shell(
        "polite",
        'trap "echo bye; exit 0" USR1; echo there; while :; do sleep 0.05; done',
        stopSignal="USR1",
        readiness={"probe": {"command": ["sh", "-c", f"grep -q there '{world.home}'/logs/service~polite.blue_0.log"]}},
    )
    assert world.go(polite) == [""]
    assert world.move(polite, "running", "stopped") == ""
    assert "bye" in list(world.driver.logs(polite.record(), 5, False))


def test_a_process_that_ends_is_started_again_by_supervisord(world: World) -> None:
    back = shell("back", "exec sleep 1000", restart={"policy": "always", "delay": "10ms"}, readiness=READY)
    assert world.go(back) == [""]
    pid = world.pid(back)
    wait_until(lambda: world.supervisor.look().of(program(back))[0].state == 20)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: world.pid(back) not in (0, pid))
    assert world.drift(back) == ("", "")


def test_installed_means_that_it_could_start(world: World) -> None:
    assert world.go(service("absent-command", {"command": ["ureg-no-such"]}, "installed"))[0].startswith(
        "the command ureg-no-such is not found in PATH"
    )
    fine = service("fine", {"command": [sys.executable]}, "installed")
    assert world.go(fine) == [""]
    assert world.drift(fine) == ("", "")
    assert program(fine) not in world.supervisor.home.names()


def test_an_address_of_a_sub_registry_has_a_program_of_its_own(world: World) -> None:
    ours, theirs = shell("same", "exec sleep 1000", readiness=READY), shell("same", "exec sleep 1001", readiness=READY)
    theirs.address = "payments:service/same"
    assert world.go(ours, theirs) == ["", ""]
    assert {"service~same.blue", "payments~service~same.blue"} <= world.supervisor.home.names()


def test_the_last_program_takes_supervisord_with_it_and_the_next_one_brings_it_back(own_world: World) -> None:
    only = shell("only", "exec sleep 1000", readiness=READY)
    for _ in range(2):
        assert own_world.go(only) == [""]
        assert own_world.supervisor.look().alive
        assert own_world.move(only, "running", "absent") == ""
        assert not own_world.supervisor.look().alive
        assert not (own_world.home / "supervisord.pid").exists()
        assert list((own_world.home / "programs").iterdir()) == []


def test_many_that_end_at_once_all_end_well(own_world: World) -> None:
    many = [shell(f"many-{n}", "exec sleep 1000", readiness=READY) for n in range(25)]
    assert set(own_world.go(*many)) == {""}
    body = [Transition("k", one.address, "", "stop", "running", "stopped", one.json(), one.json()) for one in many]
    assert {outcome.error for outcome in own_world.driver.execute(body)} == {""}
    assert not own_world.supervisor.look().alive


def test_killing_supervisord_kills_its_children_and_the_next_apply_brings_all_back(own_world: World) -> None:
    services = [shell(f"kid-{n}", "exec sleep 1000", readiness=READY) for n in range(4)]
    assert own_world.go(*services) == [""] * 4
    pids = own_world.pids()
    assert len(pids) == 4
    own_world.kill()
    assert not any(map(is_alive, pids))
    assert (own_world.home / "supervisord.pid").exists()
    seen = own_world.driver.observe([each.record() for each in services])
    assert [(one.state, one.drift) for one in seen] == [("stopped", "supervisord is not running")] * 4
    assert [own_world.move(each, "stopped", "running") for each in services] == [""] * 4
    assert len(own_world.pids()) == 4


def test_two_drivers_at_once_share_one_supervisord(own_world: World) -> None:
    made = [shell(f"twin-{n}", "exec sleep 1000", readiness=READY) for n in range(4)]
    with ThreadPoolExecutor() as threads:
        outcomes = threads.map(lambda each: open_driver(own_world.site).execute([each.apply()]), made)
        assert [outcome.error for (outcome,) in outcomes] == [""] * 4
    assert len(own_world.pids()) == 4


def test_what_a_stranger_left_in_the_folder_is_not_run(own_world: World) -> None:
    programs = own_world.home / "programs"
    programs.mkdir(parents=True)
    mark = own_world.root / "mark"
    (programs / "evil.conf").write_text(f"[program:evil]\ncommand=touch {mark}\nautostart=true\n")
    assert own_world.go(shell("good", "exec sleep 1000", readiness=READY)) == [""]
    assert own_world.supervisor.look().programs.keys() == {"service~good.blue"}
    assert not mark.exists()


def test_a_folder_that_is_a_link_is_refused(own_world: World) -> None:
    elsewhere = own_world.root / "elsewhere"
    elsewhere.mkdir()
    own_world.site.run.mkdir()
    own_world.home.symlink_to(elsewhere)
    (error,) = own_world.go(shell("linked", "exec sleep 1000"))
    assert "symbolic link" in error
    assert list(elsewhere.iterdir()) == []
