"""`ureg watch` as a process of its own, while files change under it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from subprocess import Popen

import pytest
from manifests import component
from repository import Repository


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
