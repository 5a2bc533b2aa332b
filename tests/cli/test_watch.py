"""`ureg watch` as a process of its own, while files change under it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from estate import until
from families import made, registry, settings
from manifests import component
from repository import ROOT, Repository

CONFIG = """apiVersion: ureg/v1
kind: Config
metadata: {name: app}
spec: {format: json, path: app.json, values: {level: info}}
"""
LOST = """apiVersion: ureg/v1
kind: Service
metadata: {name: lost}
spec: {command: [sleep, "100"], node: {labels: {zone: nowhere}}}
"""


class Watching:
    """A running `ureg watch` whose output can be waited for."""

    def __init__(self, process: Popen[str], repository: Repository) -> None:
        self.process = process
        self.repository = repository

    def wait_until_recorded(self, *addresses: str) -> None:
        deadline = time.monotonic() + 20
        wanted = "".join(f"{address}\n" for address in addresses)
        while self.repository.ureg("state", "list") != wanted:
            assert self.process.poll() is None, "watch ended"
            assert time.monotonic() < deadline, f"never recorded {addresses}"
            time.sleep(0.1)


@pytest.fixture
def watching(repository: Repository) -> Iterator[Watching]:
    repository.write("registry.d/a.yaml", component("a"))
    with repository.start("watch", "-auto-approve", "-debounce=20ms") as process:
        yield Watching(process, repository)
        process.kill()


def test_changes_are_applied_as_they_land_also_after_bad_input(watching: Watching) -> None:
    watching.wait_until_recorded("component/a")
    repository = watching.repository
    repository.write("registry.d/b.yaml", "kind: [")
    time.sleep(0.5)
    repository.write("registry.d/c.yaml", component("c"))
    time.sleep(0.5)
    watching.wait_until_recorded("component/a")
    repository.write("registry.d/b.yaml", component("b"))
    watching.wait_until_recorded("component/a", "component/b", "component/c")
    (repository.root / "registry.d/b.yaml").unlink()
    watching.wait_until_recorded("component/a", "component/c")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly(watching: Watching, number: signal.Signals) -> None:
    watching.wait_until_recorded("component/a")
    watching.process.send_signal(number)
    out, err = watching.process.communicate(timeout=10)
    assert watching.process.returncode == 0
    assert "Traceback" not in out + err


def test_it_ends_with_its_terminal(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    near, far = os.openpty()
    command = ["setsid", "--ctty", sys.executable, str(ROOT / "cli.py"), "watch"]
    with Popen(command, cwd=repository.root, env=repository.environment, stdin=far, stdout=far, stderr=far) as process:
        os.close(far)
        shown = b""
        while b"only reports" not in shown:
            shown += os.read(near, 1000)
        os.close(near)
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_without_auto_approve_it_only_plans(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    with repository.start("watch", "-debounce=20ms") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Plan: 1 to add"):
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert repository.ureg("state", "list") == ""


def test_drivers_go_by_the_settings_that_hold_now(repository: Repository) -> None:
    repository.write("registry.d/app.yaml", CONFIG)
    with repository.start("watch", "-auto-approve", "-mode=self-heal", "-debounce=20ms") as process:
        until((repository.root / ".ureg/out/app.json").exists)
        repository.write("ureg.yaml", "output: build\nstate: elsewhere.db\n")
        until((repository.root / "build/app.json").exists)
        process.kill()
    assert not (repository.root / "elsewhere.db").exists()


def test_a_log_in_the_folder_that_is_watched_is_no_change_of_it(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    log = repository.root / "watch.log"
    command = [sys.executable, str(ROOT / "cli.py"), "watch", "-auto-approve", "-debounce=20ms"]
    with (
        log.open("w") as said,
        Popen(command, cwd=repository.root, env=repository.environment, stdout=said, stderr=said) as process,
    ):
        until(lambda: "synced" in log.read_text())
        time.sleep(0.3)
        known = log.read_text()
        time.sleep(0.5)
        process.kill()
    assert log.read_text() == known


def test_a_sub_registry_that_moved_is_followed_at_the_next_look(repository: Repository, tmp_path: Path) -> None:
    child = made(tmp_path, "child", {"registry.d/base.yaml": component("base")})
    repository.write("ureg.yaml", settings(tmp_path))
    repository.write("registry.d/payments.yaml", registry("payments", child.root))
    with repository.start("watch", "-auto-approve", "-interval=1s") as process:
        watching = Watching(process, repository)
        watching.wait_until_recorded("payments:component/base", "registry/payments")
        child.write("registry.d/more.yaml", component("more"))
        child.commit("more")
        watching.wait_until_recorded("payments:component/base", "payments:component/more", "registry/payments")
        child.write("registry.d/more.yaml", "kind: [")
        child.commit("broken")
        until(lambda: json.loads(repository.ureg("status", "-json"))["verdict"] == "refused")
        child.git("revert", "--no-edit", "HEAD")
        until(lambda: json.loads(repository.ureg("status", "-json"))["verdict"] == "synced")
        process.kill()


def test_what_no_node_takes_keeps_nothing_else_up(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    repository.write("registry.d/lost.yaml", LOST)
    repository.write("registry.d/needs.yaml", component("needs", depends_on=["service/lost"]))
    with repository.start("watch", "-auto-approve", "-debounce=20ms") as process:
        Watching(process, repository).wait_until_recorded("component/a")
        until(lambda: json.loads(repository.ureg("status", "-json"))["verdict"] == "failed")
        assert "will not come by itself" in repository.refused("wait", "service/lost", "-timeout=60s")
        process.kill()
    status = json.loads(repository.ureg("status", "-json"))
    reasons = {one["address"]: one["conditions"][0]["reason"] for one in status["components"]}
    assert reasons == {"component/needs": "WaitsForDependency", "service/lost": "NodeNone"}
    (error,) = status["errors"]
    assert error == "registry.d/lost.yaml:4:39: There is no node for service/lost: None has zone=nowhere."
