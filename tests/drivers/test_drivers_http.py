"""The `http` driver with a real server: a good one, a slow one, a busy one, and ones that cannot be trusted."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from drivers.component import Component
from sites import site_of

from reconciler.drivers.loading import load_driver
from reconciler.drivers.site import NotPermitted
from reconciler.model.outcome import Health
from reconciler.model.record import Observation
from reconciler.ports import Driver

SPOKEN = {"protocol": "ureg.driver/1"}


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answering = Callable[[Asked], "tuple[int, bytes] | tuple[int, bytes, Mapping[str, str]]"]


class Server:
    """A server on a free port; `answer` makes its answers, `asked` are the requests so far."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.answer: Answering = lambda asked: (200, b"")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, self.path, dict(self.headers), body)
                server.asked.append(asked)
                status, data, *more = server.answer(asked)
                self.send_response(status)
                for name, text in (more[0] if more else {}).items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server calls them so

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def opened(place: Path, server: Server) -> Callable[..., Driver]:
    """Opens the driver with the service `dns`, which is at `server`."""

    def open_it(secrets: Mapping[str, str] | None = None, /, **options: Any) -> Driver:
        service = {"url": server.url, **options}
        return load_driver("http:dns", site_of(place, secrets, services={"dns": service}))

    return open_it


Open = Callable[..., Driver]


def zone(name: str = "a", **spec: Any) -> Component:
    return Component("Zone", name, "present", spec)


def execute(driver: Driver, component: Component | None = None) -> str:
    (outcome,) = driver.execute([(component or zone()).apply()])
    return outcome.error


def remove(driver: Driver) -> str:
    (outcome,) = driver.execute([zone().remove()])
    return outcome.error


def test_a_verb_is_a_call_with_a_key(opened: Open, server: Server) -> None:
    driver = opened()
    assert (driver.name, driver.acts, driver.batches) == ("http:dns", True, False)
    assert execute(driver, zone(ttl=60)) == ""
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.headers["Idempotency-Key"]) == ("POST", "/create", "run/1")
    assert (asked.headers["Content-Type"], asked.headers["User-Agent"]) == ("application/json", "ureg")
    told = orjson.loads(asked.body)
    assert (told["protocol"], told["verb"], told["after"]["spec"]) == ("ureg.driver/1", "create", {"ttl": 60})


def test_calls_are_as_the_settings_have_them(opened: Open, server: Server) -> None:
    driver = opened(
        url=f"{server.url}/api/",
        call={"method": "PUT", "path": "/{kind}/{name}?verb={verb}"},
        verbs={"delete": {"method": "DELETE", "path": "/{address}"}},
        headers={"X-Team": "shop"},
    )
    component = Component("Zone", "a b/ü?#", "present", {})
    driver.execute([component.apply(), component.remove()])
    assert [(asked.method, asked.path) for asked in server.asked] == [
        ("PUT", "/api/zone/a%20b%2F%C3%BC%3F%23?verb=create"),
        ("DELETE", "/api/zone%2Fa%20b%2F%C3%BC%3F%23"),
    ]
    assert server.asked[0].headers["X-Team"] == "shop"


def test_a_name_that_would_change_the_path_is_refused(opened: Open, server: Server) -> None:
    error = execute(opened(call={"path": "/zones/{name}"}), Component("Zone", "..", "present", {}))
    assert "cannot stand in a URL" in error
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"", ""),
        (204, b"", ""),
        (201, b'{"id": 5, "error": "of the last run"}', ""),
        (200, b"<html>", ""),
        (200, orjson.dumps({**SPOKEN, "error": "zone locked"}), "zone locked"),
        (200, b'{"protocol": ', "its answer is not JSON: {\"protocol\":"),
        (400, b"bad ttl\nmore", "the service answers with 400 Bad Request: bad ttl"),
        (409, orjson.dumps({"error": "in use"}), "the service answers with 409 Conflict: in use"),
        (500, b"", "the service answers with 500 Internal Server Error"),
        (404, b"{}", "the service answers with 404 Not Found"),
    ],
)  # fmt: skip
def test_what_came_of_it_is_told_in_words(opened: Open, server: Server, status: int, body: bytes, error: str) -> None:
    server.answer = lambda asked: (status, body)
    assert execute(opened()) == error


def test_what_is_gone_needs_no_removing(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (404, b"no such zone")
    assert remove(opened()) == ""


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(opened: Open, server: Server, status: int) -> None:
    server.answer = lambda asked: (status, b"", {"Location": f"{server.url}/elsewhere"})
    error = execute(opened(headers={"Authorization": "Bearer x"}))
    assert error == f"the service answers with {status} and sends elsewhere, which is not followed"
    assert len(server.asked) == 1


def test_a_busy_service_is_asked_again_with_the_same_key(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (503 if len(server.asked) < 3 else 200, b"")
    assert execute(opened()) == ""
    assert {(asked.path, asked.headers["Idempotency-Key"]) for asked in server.asked} == {("/create", "run/1")}
    assert len(server.asked) == 3


def test_it_gives_up_in_the_end(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (503, b"overloaded")
    assert execute(opened(retries=1)) == "the service answers with 503 Service Unavailable: overloaded"
    assert len(server.asked) == 2
    assert "503" in execute(opened(retries=0))
    assert len(server.asked) == 3


def test_a_service_that_asks_for_more_time_than_there_is_gets_none(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (429, b"slow down", {"Retry-After": "9999"})
    began = time.monotonic()
    assert "429" in execute(opened(timeout="2s"))
    assert time.monotonic() - began < 1.5
    assert len(server.asked) == 1


def test_an_error_of_its_own_is_not_asked_for_again(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (500, b"bug")
    assert "500" in execute(opened())
    assert len(server.asked) == 1


def test_nobody_answers(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = execute(opened(url=f"http://127.0.0.1:{port}", retries=1))
    assert error == f"POST http://127.0.0.1:{port}/create: Connection refused"
    assert "POST http://127.0.0.1:99999/create: " in execute(opened(url="http://127.0.0.1:99999", retries=0))


class Raw:
    """Takes connections and writes `data` to each, a byte every `pause` seconds, again and again."""

    def __init__(self, data: bytes, pause: float) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(data, pause))
        self._thread.start()

    def _serve(self, data: bytes, pause: float) -> None:
        self._listener.settimeout(0.02)
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection:
                self._drip(connection, data, pause)

    def _drip(self, connection: socket.socket, data: bytes, pause: float) -> None:
        try:
            while data and not self._over.wait(pause):
                connection.sendall(data[:1])
                data = data[1:] or b"x"
        except OSError:
            return
        self._over.wait(0.2 if not data else 0)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def raw() -> Iterator[Callable[[bytes, float], Raw]]:
    made: list[Raw] = []

    def make(data: bytes, pause: float = 0.0) -> Raw:
        made.append(Raw(data, pause))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 O"])
def test_a_server_that_drips_does_not_hold_it(opened: Open, raw: Callable[..., Raw], data: bytes) -> None:
    url = raw(data, 0.02).url
    began = time.monotonic()
    assert execute(opened(url=url, timeout="500ms")) == f"POST {url}/create did not answer within 0.5 s"
    assert time.monotonic() - began < 3


def test_a_server_that_says_nothing_does_not_hold_it(opened: Open, server: Server) -> None:
    over = threading.Event()
    server.answer = lambda asked: (200, b"") if over.wait(30) else (500, b"")
    try:
        assert "did not answer within 0.3 s" in execute(opened(timeout="300ms"))
        (outcome,) = opened(timeout="1h").execute([zone().apply()._replace(timeout=0.3)])
        assert "did not answer within 0.3 s" in outcome.error
    finally:
        over.set()


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_something_else_than_a_service(opened: Open, raw: Callable[..., Raw], data: bytes) -> None:
    error = execute(opened(url=raw(data).url, retries=0, timeout="2s"))
    assert error.startswith("POST http://127.0.0.1:")


def test_an_answer_that_is_too_large(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (200, b"x" * 5_000_000)
    assert execute(opened()) == f"POST {server.url}/create: the answer is larger than 1024 KiB"


def test_secrets_reach_the_service_and_nobody_else(opened: Open, server: Server) -> None:
    def echo(asked: Asked) -> tuple[int, bytes]:
        return 403, asked.headers["Authorization"].encode() + asked.body

    server.answer = echo
    secrets = {"TOKEN": "Bearer planted-token", "KEY": "planted-key"}
    driver = opened(secrets, headers={"Authorization": {"secretRef": "env:TOKEN"}})
    error = execute(driver, zone(key={"secretRef": "env:KEY"}))
    assert server.asked[0].headers["Authorization"] == "Bearer planted-token"
    assert b"planted-key" in server.asked[0].body
    assert "planted" not in error
    assert "(sensitive)" in error


def test_secrets_that_cannot_be_sent(opened: Open, server: Server) -> None:
    reference = {"secretRef": "env:TOKEN"}
    words = "drivers.http.services.dns.headers: "
    assert execute(opened(headers={"Authorization": reference})).startswith(f"{words}Authorization: ")
    broken = opened({"TOKEN": "a\r\nX-Admin: yes"}, headers={"Authorization": reference})
    assert execute(broken) == f"{words}a value is no line of ASCII characters"
    assert execute(opened(), zone(key=reference)) == "spec.key: the environment variable TOKEN is not set"
    assert server.asked == []


def test_what_it_sees(opened: Open, server: Server) -> None:
    told = {
        "/zones/gone": (404, b""),
        "/zones/drifted": (200, orjson.dumps({**SPOKEN, "state": "present", "drift": "ttl is 5"})),
        "/zones/foreign": (200, b'{"state": "ACTIVE"}'),
    }
    server.answer = lambda asked: told[asked.path]
    driver = opened(observe={"path": "/zones/{name}"})
    names = ("gone", "drifted", "foreign")
    assert list(driver.observe([zone(name).record() for name in names])) == [
        Observation("zone/gone", "absent"),
        Observation("zone/drifted", "present", "ttl is 5"),
        Observation("zone/foreign", "present"),
    ]
    assert {asked.method for asked in server.asked} == {"GET"}


def test_many_are_looked_at_at_the_same_time(opened: Open, server: Server) -> None:
    both = threading.Barrier(4)

    def together(asked: Asked) -> tuple[int, bytes]:
        both.wait(10)
        return 200, b""

    server.answer = together
    assert len(list(opened(observe={"path": "/{name}"}).observe([zone(f"z{n}").record() for n in range(8)]))) == 8


def test_one_that_cannot_look_is_an_error_of_the_world(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (401, b"who are you?")
    with pytest.raises(OSError, match="401 Unauthorized: who are you"):
        opened(observe={"path": "/"}).observe([zone().record()])


def test_what_it_is_not_made_for_is_not_asked(opened: Open, server: Server) -> None:
    driver, record = opened(), zone().record()
    assert list(driver.observe([record])) == []
    assert driver.health(record) == Health(healthy=True, message="http:dns does not tell")
    assert list(driver.logs(record, 5, follow=False)) == []
    assert server.asked == []


def test_health(opened: Open, server: Server) -> None:
    driver, record = opened(health={"path": "/health/{name}"}, retries=0), zone().record()
    answers: list[tuple[int, bytes]] = [
        (200, b"fine"),
        (200, orjson.dumps({**SPOKEN, "healthy": False, "message": "lagging"})),
        (503, b"down"),
    ]
    server.answer = lambda asked: answers[len(server.asked) - 1]
    assert [driver.health(record) for _ in answers] == [
        Health(healthy=True),
        Health(healthy=False, message="lagging"),
        Health(healthy=False, message="the service answers with 503 Service Unavailable: down"),
    ]


def test_logs(opened: Open, server: Server) -> None:
    server.answer = lambda asked: (200, b"".join(b"line %d\r\n" % number for number in range(9)))
    driver, record = opened(logs={"path": "/log/{name}?lines={lines}"}), zone().record()
    assert list(driver.logs(record, 2, follow=False)) == ["line 7", "line 8"]
    assert list(islice(driver.logs(record, 2, follow=True), 2)) == ["line 0", "line 1"]
    assert server.asked[0].path == "/log/a?lines=2"
    server.answer = lambda asked: (404, b"no log")
    assert list(driver.logs(record, 2, follow=False)) == ["the service answers with 404 Not Found: no log"]
    assert "404" in next(iter(driver.logs(record, 2, follow=True)))


def test_certificates_are_checked(opened: Open, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = Server(context)
    try:
        assert "certificate verify failed" in execute(opened(url=secure.url, retries=0))
        assert execute(opened(url=secure.url, authority=str(certificate))) == ""
        other = secure.url.replace("127.0.0.1", "localhost")
        assert "certificate verify failed" in execute(opened(url=other, authority=str(certificate), retries=0))
        assert "No such file" in execute(opened(url=secure.url, authority="/no/such.pem"))
    finally:
        secure.close()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    import subprocess

    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_what_settings_do_not_permit_is_told_with_what_to_add(place: Path) -> None:
    with pytest.raises(NotPermitted, match=r"ureg\.yaml permits http no service 'dns'") as raised:
        load_driver("http:dns", site_of(place))
    assert "drivers: {http: {services: {dns: {url: 'https://...'}}}}" in raised.value.hint
