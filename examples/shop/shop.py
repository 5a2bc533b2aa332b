"""What the programs of the example shop share: how they answer, and how they read what ureg prepared for them."""

from __future__ import annotations

import importlib
import json
import logging
import logging.config
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

RENDERED = Path(".ureg/out")
"""Where configuration and flags are written."""
PLUGINS = Path(".ureg/run/plugins")
"""Where active plugins are registered."""
NAME = os.environ.get("UREG_ADDRESS", "").rpartition("/")[2]
VERSION = os.environ.get("VERSION", "")
LOG = logging.getLogger("shop")


class Request(NamedTuple):
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    """Answers with what `answer` returns, as JSON; None is a 404. `/healthz` and `/ready` it answers by itself."""

    def __init__(self, port: int, answer: Callable[[Request], Any], is_ready: Callable[[], bool]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answer = answer
        self.is_ready = is_ready

    def respond(self, request: Request) -> tuple[int, Any]:
        if request.path == "/healthz":
            return 200, {"healthy": True}
        if request.path == "/ready":
            is_ready = self.is_ready()
            return 200 if is_ready else 503, {"ready": is_ready}
        told = self.answer(request)
        return (404, {"error": "not found"}) if told is None else (200, told)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = 8192
    """Or header and body travel apart, and each waits for the other."""

    def do_GET(self) -> None:
        self._respond()

    def do_PUT(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, *words: Any) -> None:
        if self.path not in {"/healthz", "/ready"}:
            LOG.info(*words)

    def _respond(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, told = self.server.respond(Request(self.command, url.path, query, self._body()))
        body = json.dumps(told).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)


def serve(answer: Callable[[Request], Any], is_ready: Callable[[], bool] = lambda: True) -> None:
    """Serves on PORT, for good."""
    start_logging()
    port = int(os.environ["PORT"])
    LOG.info("%s %s listens on port %d", NAME, VERSION, port)
    Server(port, answer, is_ready).serve_forever()


def start_logging() -> None:
    """As the config `logging` says."""
    logging.config.dictConfig(json.loads((RENDERED / "shared/logging.json").read_text()))


def settings() -> dict[str, Any]:
    """The configuration file that CONFIG names, read anew each time: a change needs no restart."""
    name = os.environ.get("CONFIG")
    if name is None:
        return {}
    text = (RENDERED / name).read_text()
    if name.endswith(".toml"):
        return tomllib.loads(text)
    if name.endswith(".json"):
        return dict(json.loads(text))
    pairs = [line.partition("=") for line in text.splitlines() if not line.startswith("#")]
    return {key: value.strip("'\"") for key, _, value in pairs if key}


def flags() -> dict[str, Any]:
    """What each enabled flag is by default. A real shop asks an OpenFeature client, which also knows targeting."""
    found = json.loads((RENDERED / "flags/flags.json").read_text())["flags"]
    return {key: f["variants"][f["defaultVariant"]] for key, f in found.items() if f["state"] == "ENABLED"}


def plugins(group: str) -> Iterator[Any]:
    """The objects that active plugins register in `group`."""
    registered = json.loads((PLUGINS / "entry-points.json").read_text())["plugins"]
    for plugin in registered.values():
        for value in plugin["entryPoints"].get(group, {}).values():
            sys.path.append(str(PLUGINS / plugin["modules"]))
            module, _, name = value.partition(":")
            yield getattr(importlib.import_module(module), name)


def ask(port: int, method: str, path: str, value: Any = None) -> Any:
    """What the program on `port` of this machine answers; None where it knows nothing of `path`. Raises OSError."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request(method, path, None if value is None else json.dumps(value))
        response = connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == 200 else None
    finally:
        connection.close()
