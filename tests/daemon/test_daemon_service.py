"""Signs of life, signals and answers about health, with a real socket in systemd's place."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon.notified import Manager
from repository import ROOT

from reconciler.daemon.http import Request
from reconciler.daemon.lifetimes import Lifetimes, read_lifetimes
from reconciler.daemon.pulse import Heartbeat, Pulse
from reconciler.daemon.service import Service
from reconciler.daemon.systemd import ServiceManager
from reconciler.model.daemon import CycleReport, SyncMode, SyncStatus, Trigger, Verdict, Why

STATUS = SyncStatus(SyncMode.APPLY, "the working tree", "ada@here", recorded=7)
REQUEST = Request("GET", "/", "", {}, b"", "127.0.0.1")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    place = f"@ureg-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    made = Manager(f"\0{place[1:]}" if request.param == "abstract" else place)
    with made.socket:
        yield made, place


def test_systemd_hears_every_word(manager: tuple[Manager, str]) -> None:
    heard, place = manager
    told = ServiceManager({"NOTIFY_SOCKET": place})
    told.ready("all\nis well\rREADY=0")
    assert heard.heard() == {"READY": "1", "STATUS": "all is well READY=0"}
    before = time.monotonic_ns() // 1000
    told.reloading()
    reloading = heard.heard()
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    told.status("3 failed")
    told.alive()
    told.stopping()
    assert [heard.heard() for _ in range(3)] == [{"STATUS": "3 failed"}, {"WATCHDOG": "1"}, {"STOPPING": "1"}]


@pytest.mark.parametrize("place", ["", "relative", "/nowhere/at/all", "vsock:2:1234", "@" + "x" * 200])
def test_who_does_not_listen_does_no_harm(place: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": place}).ready("well")


def test_a_full_socket_holds_nothing_up(tmp_path: Path) -> None:
    place = str(tmp_path / "notify")
    with Manager(place).socket:
        told = ServiceManager({"NOTIFY_SOCKET": place})
        began = time.monotonic()
        for _ in range(2000):
            told.alive()
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-1"}, 0.0),
    ],
)
def test_half_of_what_the_watchdog_waits_for(environment: dict[str, str], seconds: float) -> None:
    assert ServiceManager(environment).watchdog == seconds


def test_a_hanging_loop_gives_no_signs_of_life() -> None:
    now = [0.0]
    pulse = Pulse(10, lambda: now[0])
    beats: list[float] = []
    heartbeat = Heartbeat(pulse, lambda: beats.append(now[0]), 0.01)
    heartbeat.start()
    _await(lambda: len(beats) > 2)
    now[0] = 10.1
    time.sleep(0.05)
    known = len(beats)
    time.sleep(0.05)
    assert len(beats) == known
    pulse.expect(5)
    _await(lambda: len(beats) > known)
    heartbeat.stop()
    assert set(beats) == {0.0, 10.1}


class Elected:
    """An election with one voter, who may change their mind."""

    lease = float("inf")
    term = 0
    rival = ""

    def stand(self) -> str:
        return self.rival

    def resign(self) -> None:
        self.rival = "nobody"


class Loop:
    def __init__(self) -> None:
        self.told: list[Trigger] = []
        self.stopped = False

    def tell(self, trigger: Trigger) -> None:
        self.told.append(trigger)

    def stop(self) -> None:
        self.stopped = True


def report(verdict: Verdict, *triggers: Trigger) -> CycleReport:
    return CycleReport(1, triggers, "", 0.1, STATUS, STATUS._replace(verdict=verdict, failed=2))


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_life(tmp_path: Path) -> None:
    place = str(tmp_path / "notify")
    manager, loop = Manager(place), Loop()
    environment = {"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "20000"}
    service = Service(Elected(), Lifetimes(), environment)
    routes = service.routes()
    assert not service.leads()
    with manager.socket:
        with service.around(loop):
            assert service.leads()
            assert not loop.told  # the first cycle comes by itself
            assert manager.until("READY")["STATUS"] == "starts"
            manager.until("WATCHDOG")
            assert routes["GET", "/readyz"].answer(REQUEST).status == 503
            service.heard(report(Verdict.BROKEN))
            assert routes["GET", "/readyz"].answer(REQUEST).status == 503
            service.heard(report(Verdict.SYNCED))
            assert routes["GET", "/readyz"].answer(REQUEST)[:2] == (200, b"synced: 7 recorded, 2 failed\n")
            os.kill(os.getpid(), signal.SIGHUP)
            manager.until("RELOADING")
            assert loop.told[-1] == Trigger(Why.RELOAD)
            service.heard(report(Verdict.SYNCED, loop.told[-1]))
            assert manager.until("READY")["STATUS"] == "synced: 7 recorded, 2 failed"
            os.kill(os.getpid(), signal.SIGTERM)
            manager.until("STOPPING")
            assert loop.stopped
        assert not service.leads()


@pytest.mark.usefixtures("handlers")
def test_who_stands_by_is_ready_and_begins_when_it_leads() -> None:
    election, loop = Elected(), Loop()
    election.lease = 0.1
    election.rival = "bob@two (process 1)"
    service = Service(election, Lifetimes(), {})
    with service.around(loop):
        assert not service.leads()
        answer = service.routes()["GET", "/readyz"].answer(REQUEST)
        assert answer[:2] == (200, b"stands by: bob@two (process 1) leads\n")
        assert not loop.told
        election.rival = ""
        _await(lambda: loop.told == [Trigger(Why.START)])
        assert service.leads()


@pytest.mark.parametrize(("seconds", "status"), [(60, 200), (-1, 503)])
def test_health_is_that_of_the_loop(seconds: float, status: int) -> None:
    service = Service(Elected(), Lifetimes(), {})
    service.expect(seconds)
    assert service.routes()["GET", "/healthz"].answer(REQUEST).status == status


def test_lifetimes_are_settings() -> None:
    assert read_lifetimes({}) == Lifetimes(2.0, 30.0, 3600.0)
    given = {"lease": "1500ms", "shutdownTimeout": "2m", "stallTimeout": "10m", "mode": "apply"}
    assert read_lifetimes(given) == Lifetimes(1.5, 120.0, 600.0)


STUBBORN = """
import os, sys, time
from reconciler.daemon.signals import Signals
signals = Signals(float(sys.argv[1]), lambda: os.write(1, b"ending\\n"), lambda: os.write(1, b"reload\\n"))
signals.install()
os.write(1, b"runs\\n")
while True:
    time.sleep(0.1)
"""


@pytest.mark.parametrize(("timeout", "again"), [(0.3, False), (60, True)])
def test_who_does_not_end_is_ended(timeout: float, again: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN, str(timeout)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "runs\n"
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "reload\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ending\n"
        if again:
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 130


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_unit_is_sound(tmp_path: Path) -> None:
    """By systemd's own word, on machines that have it."""
    text = (ROOT / "deploy/ureg.service").read_text()
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    assert told["Type"] == "notify"
    assert told["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert told["KillMode"] == "process", "else services end with the daemon that started them"
    assert float(told["TimeoutStopSec"].removesuffix("s")) > Lifetimes().shutdown
    if analyze := shutil.which("systemd-analyze"):
        unit = tmp_path / "ureg.service"
        unit.write_text(text.replace("/opt/ureg/bin/ureg", sys.executable))
        done = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
        assert "ureg.service" not in done.stderr
        assert done.returncode == 0


PUNCTUAL = """
import os, signal, time
from reconciler.daemon.signals import Signals
signals = Signals(0.2, lambda: None, lambda: None)
signals.install()
os.kill(os.getpid(), signal.SIGTERM)
signals.done()
time.sleep(0.4)
"""


def test_who_ends_in_time_is_not_ended() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", PUNCTUAL], env=environment, check=True, timeout=20)
