"""Looking after the state through the command line: the lock, damage, backups, states that come and go as a whole."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest
from manifests import component
from repository import ROOT, Repository
from state.postgres_server import postgres_server, postgres_url

from reconciler.bootstrap import open_registry
from reconciler.commands.locking import NOWHERE, new_run
from reconciler.model.history import Intent, LockInfo

__all__ = ["postgres_server", "postgres_url"]

HOLD = """
import os, sys
from pathlib import Path
from shutil import copytree
from reconciler.bootstrap import open_registry
from reconciler.model.history import LockInfo
registry = open_registry(Path.cwd(), {}, os.environ)
with registry.store.write(LockInfo("lock-1", "apply", "eve\\x1b[2J@elsewhere", 4711), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    root = tmp_path_factory.mktemp("care")
    repository = Repository(root, root / ".cache")
    repository.git("init", "-q", "-b", "main")
    repository.write(".gitignore", ".ureg/\n.cache/\n")
    repository.write("registry.d/base.yaml", component("base"))
    repository.write("registry.d/top.yaml", component("top", depends_on=["component/base"]))
    repository.commit()
    repository.ureg("apply", "-auto-approve")
    return repository


@pytest.fixture
def applied(template: Repository, tmp_path: Path) -> Repository:
    """Two components, applied."""
    return Repository(Path(copytree(template.root, tmp_path / "applied")), tmp_path / "cache")


@pytest.fixture
def held(applied: Repository) -> Iterator[Repository]:
    """The lock is held by another process, on a machine that cannot be asked."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=applied.root,
        env={**applied.environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield applied
        holder.send_signal(signal.SIGKILL)


def state(repository: Repository) -> Path:
    return repository.root / ".ureg/state.db"


def pulled(repository: Repository) -> str:
    return repository.ureg("state", "pull")


def without_serials(text: str) -> object:
    value = json.loads(text)
    return {**value, "serial": 0, "resources": [{**resource, "serial": 0} for resource in value["resources"]]}


def test_a_free_lock_is_no_error(applied: Repository) -> None:
    assert applied.ureg("lock", "show") == "Nobody holds the lock.\n"
    assert json.loads(applied.ureg("lock", "show", "-json")) == {"version": 1, "lock": None}
    assert "Nobody holds the lock" in applied.refused("force-unlock", "-force", "lock-1")


def test_who_holds_the_lock(held: Repository) -> None:
    out = held.ureg("lock", "show")
    assert out.startswith("eve\\x1b[2J@elsewhere holds the lock.\n")
    for fact in ("lock-1", "apply", "elsewhere", "4711"):
        assert fact in out
    lock = json.loads(held.ureg("lock", "show", "-json"))["lock"]
    assert (lock["id"], lock["host"], lock["pid"]) == ("lock-1", "elsewhere", 4711)
    assert lock["until"] > lock["since"]
    assert lock["term"] > 0
    refused = held.refused("state", "rm", "component/top")
    assert "lock-1" in refused
    assert "4711" in refused


def test_forcing_the_lock_asks_and_leaves_an_event(held: Repository) -> None:
    assert "lock-1" in held.refused("force-unlock", "-force", "other")
    assert "Cancelled" in held.ureg("force-unlock", "lock-1", code=1, answer="y\n")
    assert "-force" in held.refused("force-unlock", "lock-1")
    assert "The lock is free now." in held.ureg("force-unlock", "lock-1", answer="yes\n")
    assert held.ureg("lock", "show") == "Nobody holds the lock.\n"
    assert "eve\\x1b[2J@elsewhere" in held.ureg("events", "list", "-limit", "1")
    held.ureg("state", "rm", "component/top")


def test_a_whole_state_is_told_so(applied: Repository) -> None:
    assert applied.ureg("state", "verify").startswith("The state is whole: serial ")
    assert "components: 2." in applied.ureg("state", "verify")


def test_damage_is_named_and_a_backup_brings_the_state_back(applied: Repository) -> None:
    applied.write("registry.d/more.yaml", component("more"))
    applied.commit()
    applied.ureg("apply", "-auto-approve")
    with closing(sqlite3.connect(state(applied), isolation_level=None)) as connection:
        connection.execute("UPDATE record SET state = 'disabled' WHERE address = 'component/base'")
    done = applied.run("state", "verify")
    assert done.returncode == 1
    assert "component/base" in done.stdout
    assert "ureg state restore" in done.stderr
    refused = applied.refused("plan")
    assert "damaged" in refused
    assert "What it would change cannot be told" in applied.ureg("state", "restore", code=1, answer="no\n")
    assert "The state is restored" in applied.ureg("state", "restore", "-auto-approve")
    assert applied.ureg("state", "list") == "component/base\ncomponent/top\n"
    applied.ureg("state", "verify")
    applied.ureg("events", "verify")
    assert "Plan: 1 to add" in applied.ureg("plan")


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(52) + b"ureg" + bytes(99)])
def test_a_file_that_is_no_state_any_more(applied: Repository, content: bytes) -> None:
    applied.ureg("apply", "-auto-approve", "-replace", "component/top")
    before = without_serials(pulled(applied))
    state(applied).write_bytes(content)
    for command in (("plan",), ("state", "verify"), ("runs", "list")):
        assert "ureg state restore" in applied.refused(*command)
    assert state(applied).read_bytes() == content
    applied.ureg("state", "restore", "-auto-approve")
    assert without_serials(pulled(applied)) == before
    moved = [path for path in state(applied).parent.rglob("*") if path.is_file() and path.read_bytes() == content]
    assert moved


def test_a_restore_says_what_it_would_change(applied: Repository) -> None:
    applied.write("registry.d/more.yaml", component("more"))
    applied.write("registry.d/top.yaml", component("top", state="disabled"))
    applied.ureg("apply", "-auto-approve")
    lines = applied.ureg("state", "backups").splitlines()
    assert lines[0].split() == ["NAME", "SERIAL", "TIME"]
    names = [line.split()[0] for line in lines[1:]]
    out = applied.ureg("state", "restore", names[0], code=1, answer="no\n")
    assert "and 2 components." in out
    assert "component/more: enabled -> absent" in out
    assert "component/top: disabled -> enabled" in out
    assert "component/base" not in out
    before = json.loads(pulled(applied))["serial"]
    applied.ureg("state", "restore", names[0], answer="yes\n")
    after = json.loads(pulled(applied))
    assert after["serial"] > before
    assert [resource["state"] for resource in after["resources"]] == ["enabled", "enabled"]
    assert "There is no backup 'x'" in applied.refused("state", "restore", "x")
    assert "There is no backup '../x'" in applied.refused("state", "restore", "../x")


def test_without_a_state(repository: Repository) -> None:
    repository.write("ureg.yaml", "")
    repository.commit()
    assert "There is nothing to copy" in repository.refused("state", "migrate", "moved/state.db")
    assert repository.ureg("state", "verify") == "The state is whole: serial 0, components: 0.\n"
    assert repository.ureg("state", "backups") == "There is no backup yet: an apply leaves one.\n"
    assert "There is no backup" in repository.refused("state", "restore")


def test_what_was_pulled_can_be_pushed(applied: Repository) -> None:
    before = pulled(applied)
    copy = applied.root / "copy.json"
    copy.write_text(before)
    out = applied.ureg("state", "push", "copy.json", UREG_STATE="other/state.db")
    assert out.startswith("The state has 2 components now, and the serial ")
    after = applied.ureg("state", "pull", UREG_STATE="other/state.db")
    assert without_serials(after) == without_serials(before)
    assert "No changes." in applied.ureg("plan", UREG_STATE="other/state.db")
    applied.ureg("state", "verify", UREG_STATE="other/state.db")


def test_a_push_from_standard_input(applied: Repository) -> None:
    before = pulled(applied)
    applied.ureg("state", "rm", "component/top")
    older = applied.refused("state", "push", "-", answer=before)
    assert "older than what is recorded" in older
    applied.ureg("state", "push", "-force", "-", answer=before)
    assert without_serials(pulled(applied)) == without_serials(before)
    assert json.loads(pulled(applied))["serial"] > json.loads(before)["serial"] + 1
    assert "push" in applied.ureg("events", "list")


def test_the_state_of_another_registry_is_refused(applied: Repository) -> None:
    before = pulled(applied)
    other = json.dumps({**json.loads(before), "lineage": "another", "serial": 99, "resources": []})
    assert "another registry" in applied.refused("state", "push", "-", answer=other)
    assert pulled(applied) == before
    applied.ureg("state", "push", "-force", "-", answer=other)
    assert json.loads(pulled(applied))["lineage"] == json.loads(before)["lineage"]
    assert applied.ureg("state", "list") == ""


def test_a_push_of_nonsense_changes_nothing(applied: Repository) -> None:
    before = pulled(applied)
    for text, word in (("", "JSON"), ("[]", "no format version"), ('{"version": 9}', "format version 9")):
        assert word in applied.refused("state", "push", "-", answer=text)
    for place in ("nowhere.json", "."):
        assert "cannot be read" in applied.refused("state", "push", place)
    assert pulled(applied) == before


def test_a_state_moves_to_another_database(applied: Repository) -> None:
    before = pulled(applied)
    out = applied.ureg("state", "migrate", "moved/state.db")
    assert "2 components, digest " in out
    assert out.endswith("\nstate: moved/state.db\n")
    applied.write("ureg.yaml", "state: moved/state.db\n")
    assert without_serials(pulled(applied)) == without_serials(before)
    assert "No changes." in applied.ureg("plan")
    for taken in (".ureg/state.db", "moved/state.db"):
        assert "is a state already" in applied.refused("state", "migrate", taken)
    applied.ureg("events", "verify")


def test_a_state_moves_to_postgresql_and_back(applied: Repository, postgres_url: str) -> None:
    before = pulled(applied)
    out = applied.ureg("state", "migrate", postgres_url)
    digest = out.split("digest ")[1].partition(".")[0]
    assert out.endswith(f"\nstate: {postgres_url}\n")
    assert without_serials(applied.ureg("state", "pull", UREG_STATE=postgres_url)) == without_serials(before)
    applied.ureg("state", "verify", UREG_STATE=postgres_url)
    assert "is a state already" in applied.refused("state", "migrate", postgres_url)
    assert digest in applied.ureg("state", "migrate", "back/state.db", UREG_STATE=postgres_url)
    assert "No changes." in applied.ureg("plan", UREG_STATE="back/state.db")


def test_what_is_suspended_stays_so_when_the_state_moves(applied: Repository, postgres_url: str) -> None:
    applied.ureg("suspend", "component/top", "-reason=hands off", "-for=2h")
    applied.ureg("state", "migrate", postgres_url)
    applied.ureg("state", "migrate", "back/state.db", UREG_STATE=postgres_url)
    for place in (postgres_url, "back/state.db"):
        (kept,) = json.loads(applied.ureg("status", "-json", UREG_STATE=place))["suspensions"]
        assert (kept["scope"], kept["reason"]) == ("component/top", "hands off")
        applied.ureg("state", "verify", UREG_STATE=place)


def test_the_line_that_is_told_for_a_moved_state_works(applied: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside.db"
    assert f"set UREG_STATE to {outside}:" in applied.ureg("state", "migrate", str(outside))
    assert "No changes." in applied.ureg("plan", UREG_STATE=str(outside))
    out = applied.ureg("state", "migrate", "back/state.db")
    applied.write("ureg.yaml", out.splitlines()[-1] + "\n")
    assert "No changes." in applied.ureg("plan")


def test_a_password_is_not_printed(applied: Repository, postgres_url: str) -> None:
    url = postgres_url.replace("ureg@", "ureg:hunter2@")
    out = applied.ureg("state", "migrate", url)
    assert "hunter2" not in out
    assert "UREG_STATE" in out
    nowhere = url.replace("host=", "host=/nowhere&was=")
    assert "hunter2" not in applied.refused("state", "migrate", nowhere)


def test_a_state_that_has_to_be_recovered_does_not_move(applied: Repository) -> None:
    store = open_registry(applied.root, {}, {}).store
    record = store.load().records["component/top"]
    with store.write(LockInfo("lock-2", "apply", "eve@elsewhere", 1), 0) as writer:
        writer.begin(new_run("apply", NOWHERE))
        writer.intend([Intent("key", record.address, "disable", "enabled", "disabled", 1, record, record)])
    assert "has to be recovered first" in applied.refused("state", "migrate", "moved/state.db")
    applied.ureg("plan")
    applied.ureg("state", "migrate", "moved/state.db")


def test_nothing_is_pushed_or_moved_while_another_holds_the_lock(held: Repository) -> None:
    before = pulled(held)
    assert "4711" in held.refused("state", "push", "-", answer=before)
    assert "4711" in held.refused("state", "migrate", "moved/state.db")
    assert not (held.root / "moved/state.db").exists()
