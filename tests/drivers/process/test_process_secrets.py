"""Secrets reach the process and nobody else."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers.component import Component
from drivers.process.world import READY, World, ask, free_port, program, server, shell, wait_until

from reconciler.drivers.loading import load_driver

TOKEN, KEY = "token-q8Zr51", "key-4hTx90"


def secretive(name: str, port: int, **spec: object) -> Component:
    return server(
        name,
        port,
        environment={"TOKEN": {"secretRef": "env:TOKEN"}},
        secrets={"tls-key": {"secretRef": "env:KEY"}},
        **spec,
    )


@pytest.fixture
def secret_world(world: World) -> Iterator[World]:
    world.environment.update(TOKEN=TOKEN, KEY=KEY)
    yield world
    world.environment.clear()


def test_they_arrive_as_variables_and_as_files(secret_world: World) -> None:
    port = free_port()
    one = secretive("knows", port)
    assert secret_world.go(one) == [""]
    environ = ask(port)["environ"]
    assert environ["TOKEN"] == TOKEN
    folder = Path(environ["CREDENTIALS_DIRECTORY"])
    assert (folder / "tls-key").read_text() == KEY
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert secret_world.drift(one) == ("", "")
    assert secret_world.move(one, "running", "stopped") == ""
    assert not folder.exists()


def test_they_lie_in_files_of_their_owner_alone_and_only_while_it_runs(secret_world: World) -> None:
    one = secretive("quiet", free_port())
    assert secret_world.go(one) == [""]
    holding = [path for path in secret_world.site.run.rglob("*") if holds(path, TOKEN) or holds(path, KEY)]
    assert {path.name for path in holding} == {f"{program(one)}.launch", "tls-key"}
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in holding)
    assert secret_world.move(one, "running", "installed") == ""
    assert not any(holds(path, TOKEN) or holds(path, KEY) for path in secret_world.site.run.rglob("*"))


def test_a_rotated_secret_is_drift_and_the_next_apply_brings_it(secret_world: World) -> None:
    port = free_port()
    one = secretive("rotates", port)
    assert secret_world.go(one) == [""]
    secret_world.environment.update(TOKEN="another-7Kd2", KEY="another-9Vb3")
    state, drift = secret_world.drift(one)
    assert (state, drift) == ("running", "it was started otherwise: spec.environment, spec.secrets")
    assert secret_world.go(one, before=one) == [""]
    environ = ask(port)["environ"]
    assert environ["TOKEN"] == "another-7Kd2"
    assert Path(environ["CREDENTIALS_DIRECTORY"], "tls-key").read_text() == "another-9Vb3"


def test_a_secret_that_is_gone_is_told_of_and_stops_nothing(secret_world: World) -> None:
    one = secretive("loses", free_port())
    assert secret_world.go(one) == [""]
    del secret_world.environment["TOKEN"]
    assert secret_world.drift(one) == (
        "running",
        "spec.environment.TOKEN: the environment variable TOKEN is not set",
    )


def test_what_the_process_writes_is_shown_without_them(secret_world: World) -> None:
    tells = shell("tells", 'echo "mine is $TOKEN"; exit 1', environment={"TOKEN": {"secretRef": "env:TOKEN"}})
    tells.manifest["spec"] |= {"restart": {"policy": "never"}}  # type: ignore[operator]
    guarded = load_driver("process", secret_world.site)
    (outcome,) = guarded.execute([tells.apply()])
    assert outcome.error.endswith("mine is (sensitive)")
    assert list(load_driver("process", secret_world.site).logs(tells.record(), 1, False)) == ["mine is (sensitive)"]


def test_another_user_reads_its_own_credentials(secret_world: World) -> None:
    """Only root can run a program as somebody else: anyone else is told so."""
    port = free_port()
    if os.geteuid():
        other = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != os.geteuid())
        (error,) = secret_world.go(shell("other", "exec sleep 9", user=other, readiness=READY))
        assert error == f"only root can run a program as {other}"
        return
    script = 'cat "$CREDENTIALS_DIRECTORY/tls-key"; id -un; echo "$HOME"; exec sleep 1000'
    other_user = shell(
        "other",
        script,
        user="nobody",
        workingDirectory="/",
        secrets={"tls-key": {"secretRef": "env:KEY"}},
        readiness=READY,
        environment={"PORT": str(port)},
    )
    assert secret_world.go(other_user) == [""]
    entry = pwd.getpwnam("nobody")
    said = [f"{KEY}nobody", entry.pw_dir]
    wait_until(lambda: list(secret_world.driver.logs(other_user.record(), 9, False)) == said)
    folder = secret_world.supervisor.home.credentials(program(other_user), "nobody")
    assert folder.stat().st_uid == entry.pw_uid
    assert secret_world.drift(other_user) == ("", "")
    assert secret_world.move(other_user, "running", "absent") == ""
    assert not folder.parent.exists()


def holds(path: Path, text: str) -> bool:
    return path.is_file() and text.encode() in path.read_bytes()
