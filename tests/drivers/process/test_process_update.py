"""Replacing a running service without a gap."""

from __future__ import annotations

from typing import Any

import pytest
from drivers.component import Component
from drivers.process.world import World, ask, free_port, is_alive, program, server, shell, wait_until

from reconciler.drivers.process_spec import wanted


class Pair:
    """A service that is replaced by blue/green, on two ports."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.ports = free_port(), free_port()

    def version(self, *arguments: str, **spec: Any) -> Component:
        update = {"strategy": "blueGreen", "ports": {"http": self.ports[1]}}
        return server(self.name, self.ports[0], *arguments, update=update, **spec)


@pytest.fixture
def pair(world: World, request: pytest.FixtureRequest) -> Pair:
    return Pair(world, request.function.__name__.replace("_", "-")[:60])


def test_the_new_one_is_ready_before_the_old_one_ends_and_endpoints_follow(world: World, pair: Pair) -> None:
    first, second, third = pair.version("1"), pair.version("2"), pair.version("3")
    assert world.go(first) == [""]
    old = world.pid(first)
    assert world.go(second, before=first) == [""]
    assert world.endpoints(second) == [pair.ports[1]]
    assert ask(pair.ports[1])["argv"] == ["2"]
    assert not is_alive(old)
    assert world.drift(second) == ("", "")
    assert world.driver.health(second.record()).healthy
    assert world.go(third, before=second) == [""]
    assert world.endpoints(third) == [pair.ports[0]]
    assert ask(pair.ports[0])["argv"] == ["3"]
    assert world.supervisor.home.names() & {program(third), program(third, "green")} == {program(third)}


def test_both_run_for_as_long_as_the_new_one_is_not_ready(world: World, pair: Pair) -> None:
    first = pair.version("1")
    assert world.go(first) == [""]
    old = world.pid(first)
    # Whether the old one still answers is what the new one's readiness asks for.
    asks_old = ["python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {pair.ports[0]}))"]
    second = pair.version("2", readiness={"probe": {"command": asks_old}, "interval": "5s"})
    assert world.go(second, before=first) == [""]
    assert not is_alive(old)


def test_a_new_one_that_does_not_get_ready_leaves_the_old_one_serving(world: World, pair: Pair) -> None:
    first = pair.version("1")
    assert world.go(first) == [""]
    old = world.pid(first)
    broken = pair.version(
        readiness={"probe": {"http": {"port": pair.ports[0], "path": "/broken"}}, "interval": "100ms"}
    )
    (error,) = world.go(broken, before=first)
    assert "GET /broken on port" in error
    assert "500" in error
    assert world.pid(first) == old
    assert world.endpoints(first) == [pair.ports[0]]
    assert ask(pair.ports[0])["argv"] == ["1"]
    assert program(first, "green") not in world.supervisor.home.names()


def test_a_replacement_that_was_cut_short_is_seen_and_finished(world: World, pair: Pair) -> None:
    first, second = pair.version("1"), pair.version("2")
    assert world.go(first) == [""]
    spec = second.manifest["spec"]
    assert isinstance(spec, dict)
    half = wanted(world.site, world.supervisor.home, second.address, spec, "green")
    world.supervisor.put(half.program)
    assert world.drift(first) == ("running", "two copies run: a replacement was not finished")
    assert world.go(second, before=first) == [""]
    wait_until(lambda: world.drift(second) == ("", ""))
    assert ask(world.endpoints(second)[0])["argv"] == ["2"]


def test_restart_is_gentle_too(world: World, pair: Pair) -> None:
    one = pair.version("1")
    assert world.go(one) == [""]
    assert world.go(one, before=one, verb="restart") == [""]
    assert world.endpoints(one) == [pair.ports[1]]
    assert world.move(one, "running", "absent") == ""
    assert world.endpoints(one) == []


def test_a_service_that_turns_from_blue_green_to_restart_keeps_one_copy(world: World, pair: Pair) -> None:
    first = pair.version("1")
    assert world.go(first) == [""]
    assert world.go(pair.version("2"), before=first) == [""]
    plain = shell(pair.name, "exec sleep 1000", readiness={"probe": {"command": ["true"]}})
    assert world.go(plain, before=first) == [""]
    assert world.drift(plain) == ("", "")
