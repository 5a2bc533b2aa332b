"""Services by the real command line: brought up, killed, healed, failed, restarted, read, destroyed."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator

import pytest
from drivers.process.world import is_alive, wait_until
from repository import Repository

from reconciler.drivers.process_supervisor import Supervisor

SERVICE = """
apiVersion: ureg/v1
kind: Service
metadata: {{name: {name}}}
spec:
  command: [sh, -c, "{script}"]
  readiness: {{probe: {{command: ["true"]}}, interval: 5s}}
  restart: {{attempts: 1}}
"""


@pytest.fixture
def running(repository: Repository) -> Iterator[Supervisor]:
    """The supervisord of the repository, killed afterwards with all that it runs."""
    supervisor = Supervisor(repository.root / ".ureg/run")
    yield supervisor
    if supervisor.look().alive:
        kill(supervisor)


def write(repository: Repository, name: str, script: str) -> None:
    repository.write(f"registry.d/{name}.yaml", SERVICE.format(name=name, script=script))


def kill(supervisor: Supervisor) -> None:
    pid = int((supervisor.home.folder / "supervisord.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


def pid_of(supervisor: Supervisor, name: str) -> int:
    (process,) = supervisor.look().of(f"service~{name}.blue")
    return process.pid


def test_services_live_with_the_registry(repository: Repository, running: Supervisor) -> None:
    write(repository, "one", "echo hello; exec sleep 1000")
    write(repository, "two", "exec sleep 1000")
    repository.ureg("apply", "-auto-approve")
    assert "No changes" in repository.ureg("plan")
    first, second = pid_of(running, "one"), pid_of(running, "two")

    write(repository, "two", "exec sleep 1001")
    repository.ureg("apply", "-auto-approve")
    assert pid_of(running, "one") == first
    assert not is_alive(second)

    kill(running)
    wait_until(lambda: not is_alive(first))
    told = repository.ureg("plan", "-detailed-exitcode", code=2)
    assert "because it drifted: supervisord is not running" in told
    assert told.count("stopped -> running (start)") == 2
    repository.ureg("apply", "-auto-approve")
    assert is_alive(pid_of(running, "one"))

    repository.ureg("destroy", "-auto-approve")
    assert not running.look().alive


def test_one_that_fails_is_recorded_as_failed_with_its_last_words_and_healed_later(
    repository: Repository, running: Supervisor
) -> None:
    write(repository, "good", "exec sleep 1000")
    repository.write(
        "registry.d/bad.yaml",
        SERVICE.format(name="bad", script="echo my last words; exit 3").replace('["true"]', '["false"]'),
    )
    said = repository.ureg("apply", "-auto-approve", code=1)
    assert "my last words" in said
    assert "exit status 3" in said
    assert is_alive(pid_of(running, "good"))
    assert "its last transition failed: it ended right after its start" in repository.ureg("plan")
    write(repository, "bad", "exec sleep 1000")
    repository.ureg("apply", "-auto-approve")
    assert is_alive(pid_of(running, "bad"))


def test_a_command_that_is_not_found_fails_alone_and_is_healed_later(
    repository: Repository, running: Supervisor
) -> None:
    write(repository, "good", "exec sleep 1000")
    text = SERVICE.format(name="gone", script="exec sleep 1000")
    repository.write("registry.d/gone.yaml", text.replace("command: [sh,", "command: [no-such-program,"))
    said = repository.ureg("apply", "-auto-approve", code=1)
    assert "no-such-program" in said
    assert is_alive(pid_of(running, "good"))
    assert json.loads(repository.ureg("get", "service/gone", "-o", "json"))["status"] == "failed"
    repository.write("registry.d/gone.yaml", text)
    repository.ureg("apply", "-auto-approve")
    assert is_alive(pid_of(running, "gone"))


def test_a_program_that_writes_to_the_terminal_is_shown_escaped(repository: Repository, running: Supervisor) -> None:
    repository.write("evil.sh", "printf '\\033[2J::error::x\\n'; exit 1\n")
    repository.write(
        "registry.d/evil.yaml",
        SERVICE.format(name="evil", script="exec sh evil.sh").replace('["true"]', '["false"]'),
    )
    said = repository.ureg("apply", "-auto-approve", code=1)
    assert "\x1b[2J" not in said
    assert "\\x1b[2J" in said


def test_the_port_of_somebody_else_is_told_of(repository: Repository, running: Supervisor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = SERVICE.format(name="late", script="exec sleep 9") + f"  ports: [{{name: http, port: {port}}}]\n"
        repository.write("registry.d/late.yaml", text)
        write(repository, "good", "exec sleep 1000")
        said = repository.ureg("apply", "-auto-approve", code=1)
    assert f"the port {port} (http) is taken by" in said
    assert f"(pid {os.getpid()})" in said
    assert is_alive(pid_of(running, "good"))
    repository.ureg("apply", "-auto-approve")
    assert is_alive(pid_of(running, "late"))


def test_a_daemon_heals_what_was_killed_and_says_so(repository: Repository, running: Supervisor) -> None:
    write(repository, "one", "exec sleep 1000")
    repository.ureg("apply", "-auto-approve")
    first = pid_of(running, "one")
    with repository.start("watch", "-auto-approve", "-mode=self-heal", "-interval=1s") as daemon:
        repository.ureg("wait", "service/one", "-timeout=20s")
        kill(running)
        wait_until(lambda: not is_alive(first))
        wait_until(lambda: running.look().alive and bool(running.look().of("service~one.blue")))
        repository.ureg("wait", "service/one", "-timeout=20s")
        daemon.terminate()
        out, err = daemon.communicate(timeout=30)
    assert is_alive(pid_of(running, "one"))
    assert "because it drifted: supervisord is not running" in out
    assert " healed=service/one" in err
    assert repository.ureg("history", "service/one").count("start") == 2
