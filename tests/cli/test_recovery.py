"""A run that is killed in the middle of a verb, and the next command that sets it right."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from manifests import component
from repository import ROOT, Repository

SABOTAGED = """
import os, sys, time
import cli
from reconciler.drivers.files import FilesDriver

real = FilesDriver.execute

def execute(self, transitions):
    if sys.argv[1] != "before":
        real(self, transitions)
    if sys.argv[1] == "hang":
        time.sleep(60)
    if sys.argv[1] == "slow":
        time.sleep(1)
        return real(self, transitions)
    os.kill(os.getpid(), 9)

FilesDriver.execute = execute
cli.main(sys.argv[2:])
"""
"""ureg whose files driver kills it, before or after it acted, or does not come to an end."""


def _ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process writes that was told to end."""
    try:
        return process.communicate(timeout=20)
    finally:
        process.kill()


def config(name: str, value: int = 1) -> str:
    return (
        f"apiVersion: ureg/v1\nkind: Config\nmetadata: {{name: {name}}}\n"
        f"spec: {{format: json, path: {name}.json, values: {{value: {value}}}}}\n"
    )


class Sabotage:
    """A registry with two files and a record, and runs of it that come to a bad end."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        repository.environment["XDG_STATE_HOME"] = str(repository.root.parent / "state")
        for name in ("a", "b"):
            repository.write(f"registry.d/{name}.yaml", config(name))
        repository.write("registry.d/c.yaml", component("c"))

    def start(self, how: str, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", SABOTAGED, how, *args],
            cwd=self.repository.root,
            env={**self.repository.environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, how: str, *args: str) -> subprocess.CompletedProcess[str]:
        with self.start(how, *args) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def kill(self, how: str, *args: str) -> None:
        done = self.run(how, *(args or ("apply", "-auto-approve")))
        assert done.returncode == -signal.SIGKILL, done.stderr

    def file(self, name: str) -> Path:
        return self.repository.root / f".ureg/out/{name}.json"


@pytest.fixture
def sabotage(repository: Repository) -> Sabotage:
    return Sabotage(repository)


def test_what_was_done_before_the_kill_is_recorded_and_not_done_again(sabotage: Sabotage) -> None:
    sabotage.kill("after")
    written = sabotage.file("a").stat().st_mtime_ns
    done = sabotage.repository.run("plan", "-detailed-exitcode")
    assert "died, and what it left was settled" in done.stderr
    assert "It had done its work for config/a (create), config/b (create), which is recorded now." in done.stderr
    assert "config/a" not in done.stdout
    again = sabotage.repository.run("apply", "-auto-approve")
    assert (again.returncode, again.stderr) == (0, "")
    assert "No changes." in sabotage.repository.ureg("plan")
    assert sabotage.file("a").stat().st_mtime_ns == written


def test_what_was_not_done_is_told_and_done_now(sabotage: Sabotage) -> None:
    sabotage.kill("before")
    assert not sabotage.file("a").exists()
    done = sabotage.repository.run("apply", "-auto-approve")
    assert done.returncode == 0, done.stderr
    assert "It had not for config/a (create), config/b (create), where the next plan goes on." in done.stderr
    assert json.loads(sabotage.file("a").read_text()) == {"value": 1}
    assert "No changes." in sabotage.repository.ureg("plan")


def test_some_of_both(sabotage: Sabotage) -> None:
    sabotage.repository.ureg("apply", "-auto-approve")
    sabotage.repository.write("registry.d/a.yaml", config("a", 2))
    (sabotage.repository.root / "registry.d/b.yaml").unlink()
    sabotage.kill("after")
    sabotage.file("a").write_text("half")
    err = sabotage.repository.run("plan").stderr
    assert "done its work for config/b (delete)" in err
    assert "had not for config/a (update)" in err
    assert sabotage.repository.ureg("state", "list") == "component/c\nconfig/a\n"
    sabotage.repository.ureg("apply", "-auto-approve")
    assert json.loads(sabotage.file("a").read_text()) == {"value": 2}


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_every_command_that_changes_recovers_first(sabotage: Sabotage, command: str) -> None:
    sabotage.kill("after")
    done = sabotage.repository.run(command, "-auto-approve")
    assert done.returncode == 0, done.stderr
    assert "what it left was settled" in done.stderr
    assert sabotage.file("a").exists() is (command == "apply")


def test_watch_recovers_first(sabotage: Sabotage) -> None:
    sabotage.kill("after")
    with sabotage.repository.start("watch", "-auto-approve", "-debounce=20ms") as process:
        deadline = time.monotonic() + 20
        while sabotage.repository.ureg("state", "list") != "component/c\nconfig/a\nconfig/b\n":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert "what it left was settled" in _ended(process)[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_an_apply_ends_the_watch_after_it(sabotage: Sabotage, number: signal.Signals) -> None:
    with sabotage.start("slow", "watch", "-auto-approve") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("config/a: create..."):
                break
        process.send_signal(number)
        _, err = _ended(process)
    assert process.returncode == 0
    assert "Interrupt received" in err
    assert sabotage.repository.ureg("state", "list") == "component/c\nconfig/a\nconfig/b\n"


def test_a_plan_without_the_lock_only_warns(sabotage: Sabotage) -> None:
    sabotage.kill("after")
    for _ in range(2):
        done = sabotage.repository.run("plan", "-lock=false")
        assert (done.returncode, "is not settled" in done.stderr) == (0, True)
        assert "Plan: " in done.stdout
    assert "config" not in sabotage.repository.ureg("state", "list")


def test_readers_do_not_care(sabotage: Sabotage) -> None:
    sabotage.kill("after")
    for args in (("state", "list"), ("show",), ("get", "configs"), ("validate",)):
        assert sabotage.repository.run(*args).stderr == ""


def test_a_saved_plan_from_before_the_death_is_stale(sabotage: Sabotage) -> None:
    sabotage.repository.ureg("plan", "-out=p")
    sabotage.kill("after")
    err = sabotage.repository.refused("apply", "p")
    assert "what it left was settled" in err
    assert "The plan is stale" in err


def test_a_saved_plan_that_died_is_not_applied_again(sabotage: Sabotage) -> None:
    sabotage.repository.ureg("plan", "-out=p")
    sabotage.kill("after", "apply", "p")
    assert "The state moved from serial 0" in sabotage.repository.refused("apply", "p")


def test_json_messages_tell_of_it(sabotage: Sabotage) -> None:
    sabotage.kill("after")
    lines = [json.loads(line) for line in sabotage.repository.ureg("plan", "-json").splitlines()]
    (told,) = [line for line in lines if line["type"] == "diagnostic"]
    assert told["@level"] == "warn"
    assert "died" in told["diagnostic"]["summary"]


def test_a_driver_that_cannot_look_leaves_it_open(sabotage: Sabotage) -> None:
    sabotage.kill("after")
    out = sabotage.repository.root / ".ureg/out"
    out.rename(out.with_name("moved"))
    out.write_text("not a folder")
    done = sabotage.repository.run("plan")
    assert (done.returncode, "is not settled" in done.stderr) == (0, True)
    assert "files driver cannot see" in done.stderr
    out.unlink()
    out.with_name("moved").rename(out)
    assert "which is recorded now" in sabotage.repository.run("plan").stderr


def _with_timeouts(repository: Repository, timeout: str) -> None:
    schema = json.loads((ROOT / "schemas/config.schema.json").read_text())
    schema["x-ureg"]["lifecycle"] = {
        "states": ["present"],
        "default": "present",
        "verbs": {
            "create": {"from": "absent", "to": "present", "timeout": timeout},
            "update": {"from": "present", "timeout": timeout},
            "delete": {"from": "present", "to": "absent", "timeout": timeout},
        },
    }
    repository.write("schemas/config.schema.json", json.dumps(schema))


def test_a_driver_that_hangs_is_given_up_after_the_verbs_timeout(sabotage: Sabotage) -> None:
    _with_timeouts(sabotage.repository, "300ms")
    began = time.monotonic()
    done = sabotage.run("hang", "apply", "-auto-approve")
    assert time.monotonic() - began < 20
    assert done.returncode == 1
    assert "create did not end within 0.3s" in done.stdout + done.stderr
    assert "component/c" in sabotage.repository.ureg("state", "list")
    assert "did not end within" in sabotage.repository.ureg("state", "show", "config/a")
    sabotage.repository.ureg("apply", "-auto-approve")
    assert "No changes." in sabotage.repository.ureg("plan")


SECRET = "0123456789abcdef" * 2


def test_an_edited_plan_is_refused_and_shown_as_such(sabotage: Sabotage) -> None:
    from reconciler.planner.codec import decode, encode

    repository = sabotage.repository
    repository.ureg("plan", "-out=p")
    assert repository.run("show", "p").stderr == ""
    saved = decode((repository.root / "p").read_bytes(), None)
    forged = encode(saved._replace(plan=saved.plan), b"another key")
    (repository.root / "p").write_bytes(forged)
    assert "not authenticated" in repository.refused("apply", "p")
    shown = repository.run("show", "p")
    assert (shown.returncode, "Plan: 3 to add" in shown.stdout, "not authenticated" in shown.stderr) == (0, True, True)
    assert json.loads(repository.ureg("show", "-json", "p"))["applyable"]
    assert repository.ureg("state", "list") == ""


def test_a_plan_of_another_machine_needs_a_shared_key(sabotage: Sabotage) -> None:
    repository = sabotage.repository
    elsewhere = str(repository.root.parent / "elsewhere")
    repository.ureg("plan", "-out=p")
    assert "UREG_PLAN_KEY" in repository.refused("apply", "p", XDG_STATE_HOME=elsewhere)
    repository.ureg("plan", "-out=p", UREG_PLAN_KEY=SECRET)
    assert "3 added" in repository.ureg("apply", "p", UREG_PLAN_KEY=SECRET, XDG_STATE_HOME=elsewhere)
    assert "32 characters" in repository.refused("plan", "-out=p", UREG_PLAN_KEY="short")


def test_a_plan_is_pinned_to_its_commit_and_its_drivers(sabotage: Sabotage) -> None:
    repository = sabotage.repository
    repository.commit()
    repository.ureg("plan", "-out=p")
    repository.git("commit", "-q", "--amend", "-m", "the same files, another commit")
    assert "but not their commit" in repository.refused("apply", "p")
    repository.ureg("plan", "-out=p")
    script = "import cli, sys, reconciler.bootstrap as b; b.__version__ = '99'; cli.main(['apply', 'p'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=repository.root,
        env={**repository.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "which is ureg 99 now" in done.stderr
    assert "3 added" in repository.ureg("apply", "p")
