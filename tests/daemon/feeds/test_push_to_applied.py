"""From a real `git push` to a bare repository, whose hook calls ours, to what `ureg watch` has applied."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from estate import Estate, until
from manifests import component
from repository import Repository

from reconciler.state.sqlite import SqliteStore

SECRET = "a secret of some length"
HOOK = """#!/bin/sh
read old new ref
body="{{\\"ref\\": \\"$ref\\", \\"after\\": \\"$new\\"}}"
mac=$(printf %s "$body" | openssl dgst -sha256 -hmac '{secret}' | sed 's/.*= //')
curl -s --max-time 5 -o /dev/null -H 'X-GitHub-Event: push' -H "X-Hub-Signature-256: sha256=$mac" -d "$body" http://127.0.0.1:{port}/hooks/git
"""
SETTINGS = """watch:
  branch: main
  remote: origin
  fetch: {interval: 1h}
  hook: {secret: {secretRef: 'env:HOOK_SECRET'}}
"""


class Daemon:
    """`ureg watch` in a clone of the estate, and a bare repository whose hook calls it."""

    def __init__(self, estate: Estate, cache: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.estate = estate
        self.repository = Repository(estate.work, cache)
        hook = estate.bare / "hooks" / "post-receive"
        hook.write_text(HOOK.format(secret=SECRET, port=self.port))
        hook.chmod(0o755)

    def start(self) -> None:
        place = f"-listen=127.0.0.1:{self.port}"
        environment = {"HOOK_SECRET": SECRET}
        self.process = self.repository.start("watch", "-auto-approve", place, environment=environment)

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=20)
        return out + err

    def owner(self) -> str:
        """Who owns the component by what is applied, "" while nothing is."""
        store = SqliteStore(self.estate.work / ".ureg" / "state.db")
        record = store.load().records.get("component/part")
        store.close()
        return str(json.loads(record.manifest)["spec"]["owner"]) if record else ""

    def push(self, owner: str, *options: str) -> str:
        self.repository.write("registry.d/part.yaml", component("part", owner))
        return self.estate.pushed(owner, *options)

    def push_elsewhere(self, owner: str) -> None:
        """From another clone."""
        other = self.estate.work.with_name("other")
        self.estate.run("git", "clone", "-q", str(self.estate.bare), str(other))
        (other / "registry.d" / "part.yaml").write_text(component("part", owner))
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        self.estate.run("git", *identity, "commit", "-qam", "change", cwd=other)
        self.estate.run("git", "push", "-q", cwd=other)

    def heard(self) -> dict[str, Any]:
        """What `ureg status` says."""
        done = self.repository.run("status", "-json")
        return dict(json.loads(done.stdout))


@pytest.fixture
def daemon(tmp_path: Path, estate: Estate) -> Iterator[Daemon]:
    (estate.work / "ureg.yaml").write_text(SETTINGS)
    made = Daemon(estate, tmp_path / "cache")
    yield made
    made.process.kill()
    made.process.communicate()


def test_a_push_is_applied_at_once_and_the_working_tree_does_not_count(daemon: Daemon) -> None:
    daemon.push("ada")
    daemon.start()
    until(lambda: daemon.owner() == "ada")
    daemon.repository.write("registry.d/part.yaml", component("part", "eve"))
    daemon.repository.write("registry.d/other.yaml", "no: [manifest")
    daemon.estate.git("push", "-q", "origin", "HEAD:other")  # the hook calls, and the branch has not moved
    daemon.push_elsewhere("bob")
    until(lambda: daemon.owner() == "bob")
    assert "Traceback" not in daemon.stop()


def test_a_bad_commit_a_force_push_and_a_deleted_branch_are_survived(daemon: Daemon) -> None:
    daemon.push("ada")
    first = daemon.push("bob")
    daemon.start()
    until(lambda: daemon.owner() == "bob")
    daemon.repository.write("registry.d/part.yaml", "no: [manifest")
    daemon.estate.pushed("bad")
    until(lambda: daemon.heard()["verdict"] == "refused")
    assert daemon.owner() == "bob"
    daemon.estate.git("reset", "-q", "--hard", first)
    daemon.estate.git("commit", "-q", "--amend", "-m", "other")
    daemon.push("cid", "--force")
    until(lambda: daemon.owner() == "cid")
    daemon.estate.git("push", "-q", "origin", ":main")
    until(lambda: "no branch main" in daemon.heard()["trouble"] or "is empty" in daemon.heard()["trouble"])
    assert daemon.owner() == "cid"
    daemon.push("dan")
    until(lambda: daemon.owner() == "dan")
    until(lambda: daemon.heard()["trouble"] == "")
    assert "Traceback" not in daemon.stop()
