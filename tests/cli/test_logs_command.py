"""`ureg logs`: the latest lines, what follows, and every way to end it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

import pytest
from manifests import component
from probes import Probes
from repository import Repository


@pytest.fixture
def probes(repository: Repository) -> Probes:
    repository.write("registry.d/c.yaml", component("c"))
    made = Probes(repository, "a")
    made.log("a", "".join(f"line {number}\n" for number in range(200)))
    return made


@contextmanager
def following(probes: Probes) -> Iterator[Popen[str]]:
    with probes.repository.start("logs", "probe/a", "-f", "-n", "1") as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "line 199\n"
            yield process
        finally:
            process.kill()


def test_the_latest_lines(probes: Probes) -> None:
    logs = probes.repository.ureg
    assert logs("logs", "probe/a").splitlines() == [f"line {number}" for number in range(100, 200)]
    assert logs("logs", "probe/a", "-n", "2") == "line 198\nline 199\n"
    assert logs("logs", "probe/a", "-lines=1") == "line 199\n"
    assert logs("logs", "probe/a", "-n", "0") == ""


def test_what_is_logged_never_acts_on_a_terminal(probes: Probes) -> None:
    probes.log("a", "\x1b[2J\tafter a tab \u202eright to left\n::error::x\r\n")
    assert probes.repository.ureg("logs", "probe/a", "-n", "2").splitlines() == [
        r"\x1b[2J    after a tab \u202eright to left",
        r":\:error::x",
    ]


def test_following_shows_what_comes_and_ends_at_ctrl_c(probes: Probes) -> None:
    with following(probes) as process:
        probes.log("a", "news\n")
        assert process.stdout
        assert process.stdout.readline() == "news\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err.strip()) == (130, "", "")


def test_a_quiet_log_ends_when_nobody_reads(probes: Probes) -> None:
    with following(probes) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.wait(timeout=10) == 1
        assert process.stderr.read() == ""


def test_a_hangup_ends_it(probes: Probes) -> None:
    with following(probes) as process:
        os.kill(process.pid, signal.SIGHUP)
        assert process.wait(timeout=10) == 1


def test_a_component_without_logs(probes: Probes) -> None:
    done = probes.repository.run("logs", "component/c")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Warning: component/c has no log lines" in done.stderr


def test_unknown_addresses_and_broken_logs(probes: Probes) -> None:
    assert "There is no component probe/b" in probes.repository.refused("logs", "probe/b")
    log = probes.repository.root / "world/a.log"
    log.write_bytes(b"\xff\n")
    assert "It has a bug: UnicodeDecodeError" in probes.repository.refused("logs", "probe/a")
    log.unlink()
    log.mkdir()
    assert "The probe driver cannot read the logs of probe/a" in probes.repository.refused("logs", "probe/a")
