"""A real `ureg watch` as a service: what it tells systemd, how it reloads and ends, and that a file has one."""

from __future__ import annotations

import signal
from pathlib import Path
from subprocess import Popen

from daemon.notified import Manager
from manifests import component
from repository import Repository


def test_a_service(repository: Repository, tmp_path: Path) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    repository.commit()
    place = str(tmp_path / "notify")
    manager = Manager(place)
    told = {"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "200000"}
    with manager.socket, repository.start("watch", "-auto-approve", environment=told) as daemon:
        manager.until("READY")
        manager.until("WATCHDOG")
        _until_status(manager, "synced: 1 recorded")
        second = repository.refused("watch")
        assert "Another daemon keeps this registry already" in second
        assert f"process {daemon.pid}" in second
        repository.write("registry.d/b.yaml", component("b"))
        _until_status(manager, "synced: 2 recorded")
        daemon.send_signal(signal.SIGHUP)
        manager.until("RELOADING")
        assert manager.until("READY")["STATUS"] == "synced: 2 recorded"
        _end(daemon, manager)
    assert "Traceback" not in _rest(daemon)


def _until_status(manager: Manager, text: str) -> None:
    while manager.until("STATUS")["STATUS"] != text:
        pass


def _end(daemon: Popen[str], manager: Manager) -> None:
    daemon.send_signal(signal.SIGTERM)
    manager.until("STOPPING")
    assert daemon.wait(10) == 0


def _rest(daemon: Popen[str]) -> str:
    return daemon.stderr.read() if daemon.stderr and not daemon.stderr.closed else ""
