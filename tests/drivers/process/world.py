"""A place where the process driver really runs things, and what the tests ask of it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from drivers.component import Component

from reconciler.drivers.process import open_driver
from reconciler.drivers.process_supervisor import Supervisor
from reconciler.drivers.secrets import Secrets
from reconciler.drivers.site import Site
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition

SERVER = """
import http.server, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {"pid": os.getpid(), "argv": sys.argv[1:], "environ": dict(os.environ), "uid": os.getuid()}
        body = json.dumps(told).encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        print("request", self.path, flush=True)

print("starting", *sys.argv[1:], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
DEADLINE = 20.0


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        (root / "server.py").write_text(SERVER)
        self.environment: dict[str, str] = {}
        self.site = Site(root, root / "out", root / "run", Secrets(root, self.environment), {})
        self.driver = open_driver(self.site)
        self.supervisor = Supervisor(self.site.run)

    @staticmethod
    def opened(root: Path) -> Iterator[World]:
        """A world, all of whose processes are gone afterwards."""
        made = World(root)
        try:
            yield made
        finally:
            made.kill()

    @property
    def home(self) -> Path:
        return self.supervisor.home.folder

    def kill(self) -> None:
        """Kills supervisord, and so all that it runs."""
        with suppress(OSError, ValueError):
            pid = int((self.home / "supervisord.pid").read_text())
            children = self.pids()
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not any(map(is_alive, [pid, *children])))

    def pids(self) -> list[int]:
        """Of all processes under supervisord."""
        return [process.pid for found in self.supervisor.look().programs.values() for process in found if process.pid]

    def pid(self, component: Component, slot: str = "blue") -> int:
        (process,) = self.supervisor.look().of(program(component, slot))
        return process.pid

    def go(self, *components: Component, before: Component | None = None, verb: str = "") -> list[str]:
        """The errors of bringing `components` to their states, from `before`."""
        transitions = [component.apply(before) for component in components]
        if verb:
            transitions = [transition._replace(verb=verb) for transition in transitions]
        return [outcome.error for outcome in self.driver.execute(transitions)]

    def move(self, component: Component, source: str, target: str) -> str:
        """The error of a transition of a component that does not change."""
        body = component.json()
        new = b"" if target == ABSENT else body
        (outcome,) = self.driver.execute([Transition("k", component.address, "", "v", source, target, body, new)])
        return outcome.error

    def drift(self, component: Component) -> tuple[str, str]:
        """The state that is observed, with what differs; both empty where nothing does."""
        seen = [(observation.state, observation.drift) for observation in self.driver.observe([component.record()])]
        return seen[0] if seen else ("", "")

    def endpoints(self, component: Component) -> list[int]:
        """The numbers of the ports that are published for it."""
        path = self.site.run / "endpoints" / f"{program(component, '').rstrip('.')}.json"
        (resource,) = orjson.loads(path.read_bytes())["resources"]
        return [
            endpoint["endpoint"]["address"]["socket_address"]["port_value"]
            for group in resource["endpoints"]
            for endpoint in group["lb_endpoints"]
        ]


def program(component: Component, slot: str = "blue") -> str:
    return f"{component.address.replace('/', '~')}.{slot}"


def service(name: str, spec: Mapping[str, Any], state: str = "running") -> Component:
    return Component("Service", name, state, spec)


def server(name: str, port: int, *arguments: str, **spec: Any) -> Component:
    """A service that answers on `port`, ready when it does."""
    return service(
        name,
        {
            "command": [sys.executable, "-S", "server.py", *arguments],
            "ports": [{"name": "http", "port": port}],
            "readiness": {"probe": {"http": {"port": port}}, "interval": "5s"},
            **spec,
        },
    )


def shell(name: str, script: str, state: str = "running", **spec: Any) -> Component:
    """A service that is a shell script; `ready` in its folder says that it is ready."""
    return service(name, {"command": ["sh", "-c", script], **spec}, state)


READY = {"probe": {"command": ["true"]}, "interval": "5s"}
"""A check that is always good, so that nobody waits for a process to settle."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def ask(port: int, path: str = "/") -> dict[str, Any]:
    """What the server on `port` tells about itself."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        told: dict[str, Any] = orjson.loads(connection.getresponse().read())
        return told
    finally:
        connection.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
