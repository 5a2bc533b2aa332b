"""A place where the envoy driver really runs an Envoy, and what the tests ask of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from drivers.component import Component
from drivers.envoy.backends import Backend
from drivers.process.world import free_port, is_alive

from reconciler.drivers import endpoints
from reconciler.drivers.loading import load_driver
from reconciler.drivers.process_supervisor import Supervisor
from reconciler.drivers.site import Site
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Transition

DEADLINE = 20.0


class Answer(NamedTuple):
    status: int
    name: str
    """Of the backend that answered; "" where none did."""
    path: str


class Scene:
    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self.run = Site.at(root.resolve()).run
        self.driver = load_driver("envoy", Site.at(root.resolve()))
        self.supervisor = Supervisor(self.run)
        self.port = free_port()

    @staticmethod
    def opened(root: Path) -> Iterator[Scene]:
        """A scene, all of whose processes are gone afterwards."""
        made = Scene(root)
        try:
            yield made
        finally:
            made.kill()

    def kill(self) -> None:
        """Kills supervisord, and so all that it runs."""
        with suppress(OSError, ValueError):
            supervisord = int((self.supervisor.home.folder / "supervisord.pid").read_text())
            processes = [process.pid for found in self.supervisor.look().programs.values() for process in found]
            os.kill(supervisord, signal.SIGKILL)
            wait_until(lambda: not any(is_alive(pid) for pid in (supervisord, *filter(None, processes))))

    def pid(self, mesh: str = "edge") -> int:
        """Of the mesh's Envoy, 0 where none runs."""
        return next((process.pid for process in self.supervisor.look().of(f"mesh~{mesh}.envoy")), 0)

    def folder(self, mesh: str = "edge") -> Path:
        return self.run / "mesh" / f"mesh~{mesh}"

    def mesh(self, name: str = "edge", state: str = "enabled", port: int = 0, **spec: Any) -> Component:
        return Component("Mesh", name, state, {"listen": {"port": port or self.port}, **spec})

    def publish(self, service: str, *found: Backend) -> None:
        endpoints.publish(self.run, f"service/{service}", {"http": [backend.endpoint for backend in found]})

    def go(self, *components: Component, before: Component | None = None) -> list[str]:
        """The errors of bringing `components` to their states, from `before`."""
        return self.do(*(component.apply(before) for component in components))

    def do(self, *transitions: Transition) -> list[str]:
        return [outcome.error for outcome in self.driver.execute(transitions)]

    def move(self, component: Component, target: str) -> list[str]:
        """The error of a transition of a component that does not change."""
        body = component.json()
        new = b"" if target == ABSENT else body
        return self.do(Transition("k", component.address, component.kind, "v", component.state, target, body, new))

    def drift(self, *components: Component) -> dict[str, tuple[str, str]]:
        """The state that is observed of each, with what differs; nothing for those where nothing does."""
        seen = self.driver.observe([component.record() for component in components])
        return {observation.address: (observation.state, observation.drift) for observation in seen}

    def health(self, component: Component) -> Health:
        return self.driver.health(component.record())

    def logs(self, component: Component, lines: int = 1000) -> list[str]:
        return list(self.driver.logs(component.record(), lines, follow=False))

    def ask(
        self, host: str, path: str = "/", method: str = "GET", headers: Mapping[str, str] | None = None, port: int = 0
    ) -> Answer:
        """What comes through the mesh. Raises OSError where its door is closed."""
        connection = HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request(method, path, headers={"host": host, **(headers or {})})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        told = orjson.loads(body) if body.startswith(b"{") else {}
        return Answer(response.status, told.get("name", ""), told.get("path", ""))

    def is_open(self, port: int = 0) -> bool:
        try:
            self.ask("nobody", port=port)
        except OSError:
            return False
        return True


def route(name: str, *services: str, **spec: Any) -> Component:
    """A route of the mesh edge for a host of its own, `NAME.test`, to `services`."""
    destinations = [{"service": service} for service in services]
    whole = {"mesh": "edge", "host": f"{name}.test", "destinations": destinations, **spec}
    return Component("Route", name, whole.pop("state", "enabled"), whole)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
