"""How git gets at a private repository: the secret is where only git and ssh find it, and in no list of processes."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from families import made
from repository import Repository

from reconciler.model.diagnostics import Invalid
from reconciler.sources.subregistry import Opened, SubRegistries
from reconciler.sources.subregistry_remote import Policy

TOKEN = "t0ken-of-some-length"
KEY = "-----BEGIN KEY-----\nabc\n-----END KEY-----"
SECRETS = {"env:TOKEN": TOKEN, "env:BOTH": f"ada:{TOKEN}", "env:WRONG": "wr0ng-token", "env:KEY": KEY}


@pytest.fixture
def child(tmp_path: Path) -> Repository:
    return made(tmp_path, "child", {"registry.d/a.yaml": "first\n"})


def opened(tmp_path: Path, url: str, secret: str) -> Opened:
    children = SubRegistries(tmp_path, tmp_path / "mirrors", Policy(timeout=20), SECRETS.__getitem__)
    spec = {"source": {"url": url}, "credentials": {"secretRef": secret}}
    return children.open("registry/child", spec, False, True)


class Server:
    """git's own server program behind TLS. It wants the token as a password, and notes what it sees meanwhile."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.users: list[str] = []
        self.seen_in_a_command_line = False
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._http.server_port}/child/.git"
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def admits(self, header: str) -> bool:
        self.seen_in_a_command_line |= any(TOKEN in line for line in _command_lines())
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        self.users.append(user)
        return password == TOKEN

    def _handler(self, folder: Path) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                header = self.headers.get("Authorization")
                if header is None or not server.admits(header):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="x"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._reply(_backend(folder, self.command, self.path, self.headers, body))

            def _reply(self, output: bytes) -> None:
                head, _, body = output.partition(b"\r\n\r\n")
                self.send_response(200)
                for line in head.decode().split("\r\n"):
                    name, _, value = line.partition(": ")
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def log_message(self, *args: Any) -> None:
                """Says nothing."""

        return Handler


def _backend(folder: Path, method: str, path: str, headers: Any, body: bytes) -> bytes:
    place, _, query = path.partition("?")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": method,
        "PATH_INFO": place,
        "QUERY_STRING": query,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
    }
    return subprocess.run(["git", "http-backend"], input=body, env=environment, check=True, stdout=-1).stdout


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().decode(errors="replace")
        except OSError:
            continue


@pytest.fixture
def server(child: Repository, tmp_path: Path) -> Iterator[Server]:
    certificate = tmp_path / "server.pem"
    options = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x")
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", certificate, "-out", tmp_path / "only.pem")
    subprocess.run(["openssl", "req", "-x509", *options, *names], check=True, capture_output=True)
    certificate.write_bytes(certificate.read_bytes() + (tmp_path / "only.pem").read_bytes())
    (tmp_path / "gitconfig").write_text(f"[http]\n\tsslCAInfo = {tmp_path}/only.pem\n")
    running = Server(tmp_path, certificate)
    yield running
    running.stop()


@pytest.mark.parametrize(("secret", "user"), [("env:TOKEN", "git"), ("env:BOTH", "ada")])
def test_a_token_is_the_password_over_https(
    child: Repository, server: Server, tmp_path: Path, secret: str, user: str
) -> None:
    assert opened(tmp_path, server.url, secret).commit == child.git("rev-parse", "HEAD")
    assert set(server.users) == {user}
    assert not server.seen_in_a_command_line
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("mirrors/**/*") if path.is_file())
    assert TOKEN.encode() not in kept


def test_a_wrong_token_is_told_without_it(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        opened(tmp_path, server.url, "env:WRONG")
    assert "Authentication failed" in caught.value.diagnostics[0].detail
    assert "wr0ng-token" not in str(caught.value.diagnostics)


def test_a_server_without_a_trusted_certificate_gets_no_token(server: Server, tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("")
    with pytest.raises(Invalid) as caught:
        opened(tmp_path, server.url, "env:TOKEN")
    assert "certificate" in caught.value.diagnostics[0].detail
    assert server.users == []


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called ssh that notes its arguments and the key that it is given, and runs the command here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/arguments\n'
        'while [ $# -gt 1 ]; do [ "$1" = -i ] && { stat -Lc %a "$2"; cat "$2"; } > '
        f"{tmp_path}/key; shift; done\n"
        'eval "exec $1"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def test_a_key_is_given_to_ssh_and_is_on_no_disk(child: Repository, ssh: Path) -> None:
    assert opened(ssh, f"ssh://git@example.invalid{child.root}", "env:KEY").commit == child.git("rev-parse", "HEAD")
    assert (ssh / "key").read_text() == f"600\n{KEY}\n"
    arguments = (ssh / "arguments").read_text()
    assert "-oBatchMode=yes -oIdentitiesOnly=yes" in arguments
    assert "BEGIN" not in arguments


def test_without_a_key_ssh_uses_what_the_user_has(child: Repository, ssh: Path) -> None:
    children = SubRegistries(ssh, ssh / "mirrors", Policy(), SECRETS.__getitem__)
    spec: Mapping[str, Any] = {"source": {"url": f"ssh://example.invalid{child.root}"}}
    assert children.open("registry/child", spec, False, True).commit == child.git("rev-parse", "HEAD")
    assert "-i" not in (ssh / "arguments").read_text().split()
