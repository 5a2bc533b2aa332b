"""`ureg suspend`, `resume`, `status` and `wait`, beside a daemon and without one, and a rollback under a daemon."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from subprocess import Popen

import pytest
from manifests import component
from repository import Repository


class Daemon:
    """A running `ureg watch`."""

    def __init__(self, repository: Repository, *args: str) -> None:
        self.repository = repository
        self.process: Popen[str] = repository.start("watch", "-auto-approve", "-debounce=20ms", *args)

    def status(self) -> dict[str, object]:
        value: dict[str, object] = json.loads(self.repository.ureg("status", "-json"))
        return value

    def until(self, holds: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        deadline = time.monotonic() + 20
        while not holds(status := self.status()):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=20)
        assert "Traceback" not in out + err
        assert self.process.returncode == 0


@pytest.fixture
def registry(repository: Repository) -> Repository:
    repository.write(".gitignore", "/.ureg/\n")
    repository.write("registry.d/a.yaml", component("a"))
    repository.commit()
    return repository


@pytest.fixture
def daemon(registry: Repository) -> Iterator[Daemon]:
    running = Daemon(registry)
    running.until(lambda status: status["reports"] is True)
    yield running
    running.end()


@pytest.fixture
def branch(registry: Repository) -> Iterator[Daemon]:
    """A daemon that watches a branch of the repository that it is in."""
    registry.write("ureg.yaml", "watch: {fetch: {interval: 100ms}}\n")
    registry.commit()
    running = Daemon(registry, "-branch=main")
    running.until(lambda status: status["reports"] is True and status["applied"] != "")
    yield running
    running.end()


def test_status_without_a_daemon_says_so_and_what_is_recorded(registry: Repository) -> None:
    assert "none has reported yet" in registry.ureg("status")
    assert "verdict" not in registry.ureg("status")
    registry.ureg("apply", "-auto-approve")
    assert "1 recorded" in registry.ureg("status")
    status = json.loads(registry.ureg("status", "-json"))
    assert (status["reports"], status["recorded"], status["failed"]) == (False, 1, 0)
    one = json.loads(registry.ureg("status", "component/a", "-json"))
    assert {each["type"]: each["status"] for each in one["conditions"]} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Drifted": "False",
        "Suspended": "False",
    }
    assert all(each["lastTransitionTime"] for each in one["conditions"])
    assert "component/b" in registry.refused("status", "component/b")


def test_status_with_a_daemon(daemon: Daemon) -> None:
    commit = daemon.repository.git("rev-parse", "HEAD")
    status = daemon.until(lambda status: status["verdict"] == "synced")
    assert (status["mode"], status["desired"], status["applied"]) == ("apply", commit, commit)
    assert "the working tree" in daemon.repository.ureg("status")
    daemon.repository.write("registry.d/b.yaml", "kind: [")
    status = daemon.until(lambda status: status["verdict"] == "refused")
    assert status["good"] == commit
    shown = daemon.repository.ureg("status")
    assert "registry.d/b.yaml:1" in shown
    (daemon.repository.root / "registry.d/b.yaml").unlink()
    daemon.until(lambda status: status["verdict"] == "synced")


def test_status_is_written_again_when_it_changes(daemon: Daemon) -> None:
    daemon.until(lambda status: status["verdict"] == "synced")
    with daemon.repository.start("status", "-watch") as watching:
        assert watching.stdout is not None
        while not watching.stdout.readline().startswith("verdict:    synced"):
            pass
        daemon.repository.write("registry.d/b.yaml", "kind: [")
        while not watching.stdout.readline().startswith("verdict:    refused"):
            pass
        watching.kill()


def test_a_dead_daemon_is_not_taken_for_a_living_one(registry: Repository) -> None:
    running = Daemon(registry)
    running.until(lambda status: status["reports"] is True)
    running.process.kill()
    running.process.communicate()
    assert json.loads(registry.ureg("status", "-json"))["reports"] is False
    assert "none reports; the last was" in registry.ureg("status")


def test_what_is_suspended_waits_until_it_is_resumed(daemon: Daemon) -> None:
    repository = daemon.repository
    assert "until `ureg resume`" in repository.ureg("suspend", "component/b", "-reason=not yet")
    repository.write("registry.d/b.yaml", component("b"))
    repository.write("registry.d/c.yaml", component("c"))
    repository.ureg("wait", "component/c", "-timeout=20s")
    assert repository.ureg("state", "list") == "component/a\ncomponent/c\n"
    assert "not yet" in repository.ureg("status")
    assert "component/b is resumed" in repository.ureg("resume", "component/b")
    repository.ureg("wait", "component/b", "-timeout=20s")
    log = repository.ureg("events", "list")
    assert "suspend" in log
    assert "resume" in log
    repository.ureg("events", "verify")


def test_a_suspension_ends_by_itself_and_the_daemon_goes_on(daemon: Daemon) -> None:
    repository = daemon.repository
    repository.ureg("suspend", "all", "-for=2s", "-reason=a short one")
    repository.write("registry.d/b.yaml", component("b"))
    repository.ureg("wait", "component/b", "-timeout=20s")
    assert daemon.status()["suspensions"] == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("suspend", "nothing", "-reason=x"), "There is no kind 'nothing'"),
        (("suspend", "compnent/a", "-reason=x"), "component"),
        (("suspend", "/", "-reason=x"), "is no address"),
        (("suspend", "all"), "reason"),
        (("resume", "component/a"), "component/a is not suspended"),
        (("wait", "all", "-for=Happy"), "'Happy' is no condition"),
        (("wait", "all", "-timeout=100ms"), "No daemon reports"),
        (("wait", "all", "-commit=nowhere"), "names no commit"),
        (("watch", "-mode=apply"), "-mode=apply needs -auto-approve"),
        (("watch", "-listen=here"), "is no place to listen at"),
        (("watch", "-lock=false", "-state=postgresql://me@127.0.0.1:1/x"), "-lock=false does not go with"),
    ],
)
def test_what_cannot_be_meant_is_refused(registry: Repository, args: tuple[str, ...], says: str) -> None:
    assert says in registry.refused(*args)


def test_resume_all_ends_every_suspension(registry: Repository) -> None:
    registry.ureg("suspend", "component", "-reason=x")
    registry.ureg("suspend", "component/a", "-reason=y")
    assert registry.ureg("resume", "all") == "component is resumed.\ncomponent/a is resumed.\n"
    assert registry.ureg("resume", "all") == "Nothing is suspended.\n"


def test_wait_tells_ready_from_hopeless_and_from_too_late(daemon: Daemon) -> None:
    repository = daemon.repository
    assert repository.ureg("wait", "all", "-timeout=20s") == "all: Ready=True.\n"
    repository.ureg("wait", "component", "-for=Drifted=False", "-timeout=20s")
    assert "did not come within 0.3 s" in repository.refused("wait", "component/a", "-for=Suspended", "-timeout=300ms")
    repository.write("registry.d/b.yaml", "kind: [")
    daemon.until(lambda status: status["verdict"] == "refused")
    said = repository.refused("wait", "all", "-timeout=60s")
    assert "will not come by itself" in said
    assert "registry.d/b.yaml:1" in said


def test_wait_for_a_commit_that_was_just_pushed(branch: Daemon) -> None:
    repository = branch.repository
    for value in range(3):
        repository.write("registry.d/a.yaml", component("a", owner=f"owner{value}"))
        commit = repository.commit()
        repository.ureg("wait", "all", f"-commit={commit}", "-timeout=20s")
        assert f"owner{value}" in repository.ureg("state", "show", "component/a")
    repository.write("registry.d/a.yaml", "kind: [")
    bad = repository.commit()
    assert "is refused" in repository.refused("wait", "all", f"-commit={bad}", "-timeout=20s")


def test_the_first_report_is_about_the_branch(registry: Repository) -> None:
    running = Daemon(registry, "-branch=main")
    status = running.until(lambda status: status["reports"] is True)
    assert (status["verdict"], status["applied"]) == ("synced", registry.git("rev-parse", "HEAD"))
    running.process.send_signal(signal.SIGTERM)
    out, _ = running.process.communicate(timeout=20)
    assert "The source has not told" not in out


def test_people_are_told_what_is_wrong_with_the_source_and_when_it_is_well(registry: Repository) -> None:
    registry.write("ureg.yaml", "watch: {fetch: {interval: 100ms}}\n")
    registry.commit()
    running = Daemon(registry, "-branch=later")
    running.until(lambda status: "no branch later" in str(status["trouble"]))
    registry.git("branch", "later")
    running.until(lambda status: status["verdict"] == "synced")
    registry.git("branch", "-D", "later")
    running.until(lambda status: status["trouble"] != "")
    registry.git("branch", "later")
    running.until(lambda status: status["trouble"] == "")
    running.process.send_signal(signal.SIGTERM)
    out, _ = running.process.communicate(timeout=20)
    begins = ("Watching", "There is no branch", "The source", "later is well")
    lines = [line for line in out.splitlines() if line.startswith(begins)]
    assert lines == [
        "Watching. Ctrl-C ends it.",
        "There is no branch later here, or it has no commit yet.",
        "The source has not told of a commit yet.",
        "later is well again.",
        "There is no branch later here, or it has no commit yet.",
        "later is well again.",
    ]


def test_a_rollback_is_what_the_daemon_follows(branch: Daemon) -> None:
    repository = branch.repository
    repository.git("config", "user.name", "Grace")
    repository.git("config", "user.email", "grace@example.org")
    first = repository.git("rev-parse", "HEAD")
    repository.write("registry.d/a.yaml", component("a", owner="bad"))
    repository.write("registry.d/b.yaml", component("b"))
    repository.ureg("wait", "all", f"-commit={repository.commit()}", "-timeout=20s")
    assert repository.ureg("state", "list") == "component/a\ncomponent/b\n"
    repository.ureg("rollback", f"-to={first}")
    repository.ureg("wait", "all", "-commit=HEAD", "-timeout=20s")
    assert repository.ureg("state", "list") == "component/a\n"
    runs = repository.ureg("runs", "list")
    time.sleep(1)
    assert repository.ureg("runs", "list") == runs
    assert "owner" in repository.ureg("state", "show", "component/a")
    assert "bad" not in repository.ureg("state", "show", "component/a")


def test_a_commit_cannot_lift_the_guard_that_stops_it(branch: Daemon) -> None:
    repository = branch.repository
    for number in range(6):
        repository.write(f"registry.d/b{number}.yaml", component(f"b{number}"))
    repository.ureg("wait", "all", f"-commit={repository.commit()}", "-timeout=20s")
    for number in range(6):
        (repository.root / f"registry.d/b{number}.yaml").unlink()
    lifted = "guards: {maxDeletes: 100, maxDeletePercent: 100}\nwatch: {fetch: {interval: 100ms}}\n"
    repository.write("ureg.yaml", lifted)
    repository.commit()
    assert branch.until(lambda status: status["verdict"] == "stopped")["recorded"] == 7
    assert len(repository.ureg("state", "list").splitlines()) == 7
