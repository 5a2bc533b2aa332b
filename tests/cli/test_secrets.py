"""A marker in every secret, and then everything that was said or written is searched for it."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from manifests import component
from planted import MARKERS, Planted
from repository import ROOT
from state.postgres_server import PostgresServer

LITERAL = "MARKER-written-by-hand-30c4"


def test_the_rendered_file_has_every_secret_and_only_its_owner_can_read_it(planted: Planted) -> None:
    planted.ureg("apply", "-auto-approve")
    written = json.loads(planted.rendered("app").read_bytes())
    assert written == {
        "note": "x",
        "database": {"host": "db.example.com", "password": MARKERS["FILE"]},
        "token": MARKERS["TOKEN"],
        "mounted": MARKERS["MOUNTED"],
        "deep": MARKERS["SOPS"],
    }
    assert stat.S_IMODE(planted.rendered("app").stat().st_mode) == 0o600
    assert planted.holding(b"secretRef") != [], "the search finds what is there: the references"
    planted.check()


def test_nothing_that_plan_and_apply_say_or_write_holds_a_secret(planted: Planted) -> None:
    repository = planted.repository
    planted.config("env", form="dotenv")
    planted.ureg("validate")
    planted.ureg("plan")
    planted.ureg("plan", "-json", "-out=plan.bin")
    planted.ureg("show", "plan.bin")
    planted.ureg("show", "-json", "plan.bin")
    planted.ureg("apply", "plan.bin")
    planted.config("env", form="yaml", note="changed")
    planted.ureg("apply", "-json", "-auto-approve")
    planted.rendered("app").write_text(planted.rendered("app").read_text().replace("x", "y"))
    assert "content changed" in planted.ureg("plan")
    repository.environment["TOKEN"] = "MARKER-rotated"
    assert "config/env" in planted.ureg("plan")
    planted.ureg("apply", "-auto-approve")
    assert "MARKER-rotated" in planted.rendered("env").read_text()
    for args in (
        ("get", "-o", "yaml"),
        ("get", "config/app", "-o", "json"),
        ("show",),
        ("show", "-json"),
        ("state", "pull"),
        ("state", "show", "config/app"),
        ("graph",),
        ("fmt", "-check", "-diff"),
    ):
        planted.run(*args)
    (repository.root / "registry.d/env.yaml").unlink()
    planted.ureg("apply", "-auto-approve")
    planted.ureg("destroy", "-auto-approve")
    planted.check()


def test_nothing_that_is_remembered_holds_a_secret(planted: Planted) -> None:
    """Runs, history, events and backups, after successes and failures."""
    planted.ureg("apply", "-auto-approve")
    del planted.repository.environment["TOKEN"]
    planted.config("app", note="changed")
    planted.ureg("apply", "-auto-approve", code=1)
    for args in (
        ("history", "config/app"),
        ("history", "config/app", "-json"),
        ("runs", "list"),
        ("events", "list", "-json"),
        ("events", "verify"),
        ("state", "verify"),
        ("state", "backups"),
        ("diff", "-from=HEAD"),
    ):
        planted.ureg(*args)
    assert "TOKEN is not set" in planted.ureg("history", "config/app")
    planted.check()


def test_failures_are_told_without_the_secrets(planted: Planted) -> None:
    planted.ureg("apply", "-auto-approve")
    planted.config("taken", path="stranger")
    planted.repository.write(".ureg/out/stranger", "{}")
    planted.config("blocked", path="stranger/deep")
    planted.config("missing", file="none")
    said = planted.ureg("apply", "-auto-approve", code=1)
    assert "not managed by ureg" in said
    assert "spec.values.database.password: secrets/none is not there" in said
    assert "config/blocked" in said
    (planted.repository.root / "secrets/shop.yaml").write_text("database: {password: MARKER-in-plain}\n")
    assert "is the file encrypted" in planted.ureg("plan", "-json")
    planted.check()


def test_an_unresolved_secret_fails_no_plan(planted: Planted) -> None:
    planted.ureg("apply", "-auto-approve")
    del planted.repository.environment["TOKEN"]
    assert "the environment variable TOKEN is not set" in planted.ureg("plan", "-detailed-exitcode", code=2)
    assert "TOKEN is not set" in planted.ureg("apply", "-auto-approve", code=1)
    assert MARKERS["TOKEN"] in planted.rendered("app").read_text(), "the file stays as it was"


NOTE = "apiVersion: ureg/v1\nkind: Note\nmetadata: {{name: {}}}\nspec: {{}}\n"


def test_a_driver_that_tells_its_secret_is_not_believed(anywhere: Planted) -> None:
    anywhere.repository.write("registry.d/n.yaml", NOTE.format("leak"))
    said = anywhere.ureg("apply", "-auto-approve", code=1)
    assert 'the server does not take "(sensitive)"' in said
    assert "(sensitive)" in anywhere.ureg("plan", "-json")
    assert "(sensitive)" in anywhere.ureg("state", "pull")
    anywhere.ureg("plan", code=1, BREAK="state")
    anywhere.check()


@pytest.mark.parametrize("name", ["crash", "exit", "garbage"])
def test_a_crash_of_a_driver_is_told_without_it(anywhere: Planted, name: str) -> None:
    anywhere.repository.write("registry.d/n.yaml", NOTE.format(name))
    said = anywhere.ureg("apply", "-auto-approve", code=1)
    assert "the leaky driver has a bug" in said
    assert name == "garbage" or "(sensitive)" in said
    anywhere.ureg("plan", code=1)
    anywhere.ureg("plan", "-json", code=1)
    anywhere.check()


@pytest.mark.parametrize("where", ["open", "observe"])
def test_a_driver_that_fails_at_its_start_is_told_without_it(anywhere: Planted, where: str) -> None:
    anywhere.repository.write("registry.d/n.yaml", NOTE.format("leak"))
    anywhere.ureg("apply", "-auto-approve", code=1)
    assert "(sensitive)" in anywhere.ureg("plan", code=1, BREAK=where)
    anywhere.ureg("apply", "-auto-approve", code=1, BREAK=where)
    anywhere.check()


BUG = """
from reconciler.engine import operations


def broken(*everything):
    raise RuntimeError(f"no plan for {everything!r}")


operations.build = broken
"""


def test_a_bug_is_reported_without_it(anywhere: Planted) -> None:
    anywhere.ureg("apply", "-auto-approve")
    path = anywhere.repository.environment["PYTHONPATH"]
    (Path(path) / "sitecustomize.py").write_text(BUG)
    said = anywhere.ureg("plan", code=3, PYTHONPATH=f"{path}:{ROOT}")
    report = Path(said.split("report in ")[1].split(" to the")[0])
    assert "secretRef" in report.read_text()
    anywhere.check()


@pytest.fixture
def hanging(anywhere: Planted) -> Iterator[subprocess.Popen[str]]:
    """An apply whose driver waits for the file `go`."""
    anywhere.repository.write("registry.d/n.yaml", NOTE.format("hang"))
    with anywhere.repository.start("apply", "-auto-approve") as process:
        deadline = time.monotonic() + 20
        while not (anywhere.repository.root / "hanging").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield process
        process.kill()


def test_an_apply_that_lost_its_lock_says_nothing_of_it(anywhere: Planted, hanging: subprocess.Popen[str]) -> None:
    held = json.loads(anywhere.ureg("lock", "show", "-json"))
    anywhere.ureg("plan", code=1)
    anywhere.ureg("force-unlock", "-force", held["lock"]["id"])
    anywhere.repository.write("go", "")
    anywhere.said += hanging.communicate(timeout=60)
    assert hanging.returncode == 1
    anywhere.ureg("plan")
    anywhere.ureg("apply", "-auto-approve", code=1)
    anywhere.check()


def test_the_state_takes_no_secret_along_wherever_it_goes(anywhere: Planted, postgres_server: PostgresServer) -> None:
    repository = anywhere.repository
    repository.commit()
    anywhere.ureg("apply", "-auto-approve")
    first = repository.git("rev-parse", "HEAD")
    repository.write("pulled.json", repository.ureg("state", "pull"))
    anywhere.config("app", note="changed")
    repository.commit()
    anywhere.ureg("apply", "-auto-approve")
    repository.environment["TOKEN"] = "MARKER-rotated"
    anywhere.ureg("rollback", f"-to={first}", "-auto-approve")
    assert "MARKER-rotated" in anywhere.rendered("app").read_text()
    anywhere.ureg("state", "restore", "-auto-approve")
    anywhere.ureg("plan")
    anywhere.ureg("state", "push", "-force", "pulled.json")
    anywhere.ureg("apply", "-auto-approve")
    for to in (anywhere.new_database(postgres_server), "moved.db"):
        anywhere.ureg("state", "migrate", to)
        repository.environment["UREG_STATE"] = to
        for args in (("state", "verify"), ("events", "verify"), ("events", "list", "-json"), ("runs", "list", "-json")):
            anywhere.ureg(*args)
    found = anywhere.holding(b"secretRef")
    assert [part for part in ("/data/base/", ": ", "pulled.json") if part not in " ".join(found)] == []
    anywhere.check()


HEAD = "apiVersion: ureg/v1\nkind: Service\nmetadata:   {{name: s{}}}\nspec:\n  command: [x]\n"
WRONG = {
    "a literal": f"  secrets: {{k: {LITERAL}}}",
    "a literal in the place of a reference": f"  environment: {{k: {{secretRef: {LITERAL}}}}}",
    "a literal for the whole": f"  secrets:   {LITERAL}",
    "a syntax error next to it": f"  secrets:\n    k: {LITERAL}: x",
    "a bracket that is never closed": f"  secrets: {{k: {LITERAL}",
    "a literal that reads as a tag": f"  secrets:\n    k: !{LITERAL}",
}


def test_a_literal_is_refused_without_being_shown(planted: Planted) -> None:
    manifests = [
        planted.repository.write(f"registry.d/s{number}.yaml", f"{HEAD.format(number)}{wrong}\n")
        for number, wrong in enumerate(WRONG.values())
    ]
    for args in (("validate",), ("validate", "-json"), ("plan",), ("plan", "-json"), ("fmt", "-check", "-diff")):
        said = planted.ureg(*args, code=1)
        assert [one.name for one in manifests if one.name not in said] == []
    for manifest in manifests:
        manifest.unlink()
    planted.check()


@pytest.fixture
def watching(planted: Planted) -> Iterator[subprocess.Popen[str]]:
    with planted.repository.start("watch", "-auto-approve", "-debounce=20ms") as process:
        yield process
        process.kill()


def test_watch_says_nothing_of_it(planted: Planted, watching: subprocess.Popen[str]) -> None:
    for note in ("first", "second"):
        deadline = time.monotonic() + 20
        while not planted.rendered("app").exists() or note not in planted.rendered("app").read_text():
            planted.config("app", note=note)
            assert time.monotonic() < deadline
            time.sleep(0.3)
    planted.repository.write("registry.d/s.yaml", f"{HEAD.format('')}{WRONG['a syntax error next to it']}\n")
    time.sleep(0.5)
    (planted.repository.root / "registry.d/s.yaml").unlink()
    watching.send_signal(signal.SIGINT)
    planted.said += watching.communicate(timeout=20)
    assert any("config/app" in text for text in planted.said)
    planted.check()


def test_plans_and_states_are_for_their_owner_only(planted: Planted) -> None:
    planted.repository.write("registry.d/c.yaml", component("c"))
    planted.ureg("plan", "-out=plan.bin")
    planted.ureg("apply", "-auto-approve")
    root = planted.repository.root
    files = [root / "plan.bin", *(path for path in (root / ".ureg").rglob("*") if path.is_file())]
    files = [path for path in files if not path.is_relative_to(root / ".ureg/out")]
    open_to_others = [str(path) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []
    assert len(files) > 1
