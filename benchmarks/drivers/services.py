"""How long many services take from nothing to ready: `python -m benchmarks.drivers.services [COUNT]`.

The services (100 if not said) are small servers with a readiness check. The same servers are first started bare, all at
once, which is their own start; then `ureg apply` brings them up from an empty state.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import orjson

from reconciler.drivers.process_check import check_of
from reconciler.drivers.process_program import Launch
from reconciler.drivers.process_supervisor import Supervisor

ROOT = Path(__file__).parents[2]
_UNGUARDED = ("-guards-max-deletes=1000", "-guards-max-delete-percent=100")
SERVER = """
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    with server.accept()[0] as client:
        client.recv(1000)
        client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
"""


def main(count: int = 100) -> None:
    ports = _free_ports(count)
    own = _bare(ports)
    print(f"{'own start':<12} {own:6.2f} s")
    with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
        root = Path(folder).resolve()
        _write(root, ports)
        try:
            whole = _timed(root, "apply", "-auto-approve")
            print(f"{'ureg apply':<12} {whole:6.2f} s, {whole - own:.2f} s beyond their own start")
            print(f"{'no-op plan':<12} {_timed(root, 'plan'):6.2f} s")
            print(f"{'destroy':<12} {_timed(root, 'destroy', '-auto-approve', *_UNGUARDED):6.2f} s")
        finally:
            home = Supervisor(root / ".ureg/run").home
            if home.names():
                home.shut_down()


def _bare(ports: Sequence[int]) -> float:
    """Seconds until servers on all `ports` are ready that nobody manages."""
    began = time.monotonic()
    with ExitStack() as running:
        for port in ports:
            process = subprocess.Popen([sys.executable, "-S", "-c", SERVER], env={**os.environ, "PORT": str(port)})
            running.callback(process.wait)
            running.callback(process.kill)
        here = Launch([], "/", {}, {})
        waiting = [check_of({"probe": {"http": {"port": port}}}, {}, here) for port in ports]
        while waiting:
            waiting = [check for check in waiting if check.attempt()]
            time.sleep(0.01)
        return time.monotonic() - began


def _write(root: Path, ports: Sequence[int]) -> None:
    (root / "server.py").write_text(SERVER)
    (root / "registry.d").mkdir()
    for number, port in enumerate(ports):
        manifest = {
            "apiVersion": "ureg/v1",
            "kind": "Service",
            "metadata": {"name": f"server-{number}"},
            "spec": {
                "command": [sys.executable, "-S", "server.py"],
                "ports": [{"name": "http", "port": port}],
                "readiness": {"probe": {"http": {"port": port}}, "interval": "10s"},
            },
        }
        (root / f"registry.d/{number}.yaml").write_bytes(orjson.dumps(manifest))


def _timed(root: Path, *arguments: str) -> float:
    began = time.monotonic()
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit((done.stdout + done.stderr)[-2000:])
    return time.monotonic() - began


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
