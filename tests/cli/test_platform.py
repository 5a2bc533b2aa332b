"""This repository's own registry comes up as a working platform, is used, healed and taken down: all of it for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from drivers.process.world import wait_until
from repository import ROOT, Repository

from reconciler.drivers.process_supervisor import Supervisor

EDGE = "18080"
PORT = re.compile(r"\b18[01]\d\d\b")


class Platform:
    """A copy of the registry and its examples, on ports that are free. `ports` are these by those of the original."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.root = repository.root
        self.ureg = repository.ureg
        self.supervisor = Supervisor(self.root / ".ureg/run")
        for name in ("registry.d", "examples"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("ureg.yaml", ".gitignore"):
            shutil.copy(ROOT / name, self.root)
        self.ports = self._move()
        repository.commit()

    def _move(self) -> dict[str, int]:
        texts = {path: path.read_text(encoding="utf-8") for path in (self.root / "registry.d").rglob("*.yaml")}
        ports = free_ports({port for text in texts.values() for port in PORT.findall(text)})
        for path, text in texts.items():
            path.write_text(PORT.sub(lambda found: str(ports[found[0]]), text), encoding="utf-8")
        return ports

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.repository.write(path, text.replace(old, new))

    def ask(self, path: str) -> tuple[int, dict[str, object]]:
        """What comes through the mesh."""
        connection = HTTPConnection("127.0.0.1", self.ports[EDGE], timeout=10)
        try:
            connection.request("GET", path, headers={"host": f"shop.localhost:{EDGE}"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return response.status, json.loads(body) if body.startswith(b"{") else {}

    def versions(self, count: int) -> Counter[object]:
        """Which versions answer `count` searches."""
        return Counter(self.ask("/search?q=lamp")[1].get("version") for _ in range(count))

    def processes(self) -> set[int]:
        """Of the platform, whoever started them: those that work in its folder or name it."""
        root = os.fsencode(self.root)
        found = set()
        for path in Path("/proc").iterdir():
            with suppress(OSError):
                if (
                    path.name.isdigit()
                    and root in os.fsencode((path / "cwd").readlink()) + (path / "cmdline").read_bytes()
                ):
                    found.add(int(path.name))
        return found

    def kill_supervisor(self) -> None:
        """And so all that it runs."""
        pid = int((self.supervisor.home.folder / "supervisord.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.processes())


@pytest.fixture
def platform(repository: Repository, tmp_path: Path) -> Iterator[Platform]:
    repository.environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_OFFLINE": "1",
    }
    made = Platform(repository)
    yield made
    if made.supervisor.look().alive:
        made.kill_supervisor()


def free_ports(names: set[str]) -> dict[str, int]:
    """A port for each name, all of them free a moment ago."""
    with ExitStack() as stack:
        found = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in sorted(names)}
        return {name: server.getsockname()[1] for name, server in found.items()}


def test_the_platform_comes_up_is_used_heals_and_goes(platform: Platform) -> None:
    assert "Apply complete!" in platform.ureg("apply", "-auto-approve")
    assert platform.repository.git("status", "--porcelain") == ""
    assert "No changes." in platform.ureg("plan")
    assert "healthy." in platform.ureg("health")
    check_traffic(platform)
    check_questions(platform)
    check_healing(platform)
    assert "Destroy complete!" in platform.ureg("destroy", "-auto-approve")
    assert platform.processes() == set()
    assert platform.ureg("state", "list") == ""


def check_traffic(platform: Platform) -> None:
    """The mesh leads to both versions by their weights, and a change of these is live after the apply."""
    status, told = platform.ask("/search?q=lamps")
    assert (status, told["words"]) == (200, ["lamp"])
    assert told["found"] == ["Desk lamp", "Floor lamp", "Oak desk"]
    assert platform.ask("/checkout")[1]["service"] == "checkout"
    assert platform.ask("/")[1]["service"] == "storefront"
    found = platform.versions(150)
    assert found["2.7.1"] > found["3.0.0-rc.2"] > 0
    platform.edit("registry.d/routes/search.yaml", "weight: 90", "weight: 0")
    platform.ureg("apply", "-auto-approve")
    assert platform.versions(20) == {"3.0.0-rc.2": 20}


def check_questions(platform: Platform) -> None:
    """Logs, a restart, and flags."""
    assert "searched for lamp: 3 found" in platform.ureg("logs", "service/search-api")
    assert '"route":"route/search"' in platform.ureg("logs", "route/search")
    before = platform.processes()
    platform.ureg("restart", "service/search-api-next")
    assert len(before ^ platform.processes()) >= 2
    assert platform.versions(5) == {"3.0.0-rc.2": 5}
    colleague = platform.ureg("feature", "eval", "semantic-search", "-context", "email=ada@example.com")
    assert "value:   true" in colleague


def check_healing(platform: Platform) -> None:
    """What somebody changed is told and put back; so is everything, when all processes are killed."""
    assert "No drift" in platform.ureg("drift")
    platform.repository.write(".ureg/out/search/api.json", "{}\n")
    (platform.root / ".ureg/run/bin/shop-tokenize").unlink()
    assert "Drift: 2 changed" in platform.ureg("drift", code=2)
    platform.kill_supervisor()
    assert "supervisord is not running" in platform.ureg("drift", "services", code=2)
    platform.ureg("apply", "-auto-approve")
    assert "No drift" in platform.ureg("drift")
    assert platform.ask("/search?q=lamps")[1]["words"] == ["lamp"]


def test_the_wheel_is_what_its_source_says() -> None:
    wheel = ROOT / "examples/wheels/shop_query_log-0.9.4-py3-none-any.whl"
    module = "shop_query_log/__init__.py"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(module) == (ROOT / "examples/plugins/query-log/src" / module).read_bytes()
