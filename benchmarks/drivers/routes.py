"""How long a change of one route takes to be live in a real Envoy: `python -m benchmarks.drivers.routes [ROUTES]`.

The mesh has as many routes (20 if not said), each to one of twenty services. One of them is changed again and again:
from the start of its transition until a request is answered in the new way.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

import orjson

from reconciler.drivers import endpoints
from reconciler.drivers.envoy import open_driver
from reconciler.drivers.process_supervisor import Supervisor
from reconciler.drivers.site import Site
from reconciler.model.outcome import Transition
from reconciler.ports import Driver

CHANGES = 20
SERVICES = 20


class Echo(BaseHTTPRequestHandler):
    """Answers with the path that it is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(self.path)))
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def main(routes: int = 20) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
        site = Site.at(Path(folder).resolve())
        home = Supervisor(site.run).home
        try:
            _measure(open_driver(site), site.run, server.server_port, routes)
        finally:
            if home.names():
                home.shut_down()
            server.shutdown()


def _measure(driver: Driver, run: Path, backend: int, routes: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for number in range(SERVICES):
        endpoints.publish(run, f"service/s{number}", {"http": [("127.0.0.1", backend)]})
    began = time.monotonic()
    _carry_out(driver, [_enable("Mesh", "edge", {"listen": {"port": port}}), *map(_route, range(routes))])
    print(f"{'mesh and ' + str(routes) + ' routes':<24} {time.monotonic() - began:6.3f} s")
    times = sorted(_change(driver, port, f"/{number}") for number in range(CHANGES))
    print(f"{'one change, median':<24} {median(times):6.3f} s")
    print(f"{'one change, slowest':<24} {times[-1]:6.3f} s")


def _change(driver: Driver, port: int, path: str) -> float:
    began = time.monotonic()
    _carry_out(driver, [_route(0, rewrite=path)])
    while _get(port) != path:
        time.sleep(0.001)
    return time.monotonic() - began


def _carry_out(driver: Driver, transitions: Sequence[Transition]) -> None:
    for outcome in driver.execute(transitions):
        if outcome.error:
            raise SystemExit(f"{outcome.address}: {outcome.error}")


def _route(number: int, **spec: Any) -> Transition:
    destinations = [{"service": f"s{number % SERVICES}"}]
    return _enable("Route", f"r{number}", {"mesh": "edge", "host": f"h{number}", "destinations": destinations, **spec})


def _enable(kind: str, name: str, spec: dict[str, Any]) -> Transition:
    manifest = orjson.dumps({"apiVersion": "ureg/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
    return Transition("k", f"{kind.lower()}/{name}", kind, "update", "enabled", "enabled", manifest, manifest)


def _get(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"host": "h0"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
