"""What happened, through the command line: runs, history, events, earlier states."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from manifests import component
from repository import ROOT, Repository


def data(repository: Repository, *args: str) -> Any:
    value = json.loads(repository.ureg(*args, "-json"))
    assert value["version"] == 1
    return value


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Three commits, each applied: two components, one of them changed, the other removed."""
    root = tmp_path_factory.mktemp("history")
    repository = Repository(root, root / ".cache")
    repository.git("init", "-q", "-b", "main")
    repository.write(".gitignore", ".ureg/\n.cache/\n")
    repository.write("registry.d/a.yaml", component("a"))
    repository.write("registry.d/b.yaml", component("b"))
    apply(repository)
    repository.write("registry.d/a.yaml", component("a", owner="you", state="disabled"))
    apply(repository)
    (repository.root / "registry.d/b.yaml").unlink()
    apply(repository)
    return repository


@pytest.fixture
def lived(template: Repository, tmp_path: Path) -> Repository:
    """A copy of the template."""
    return Repository(Path(copytree(template.root, tmp_path / "lived")), tmp_path / "cache")


def apply(repository: Repository) -> None:
    repository.commit()
    repository.ureg("apply", "-auto-approve")


@contextmanager
def database(repository: Repository) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(repository.root / ".ureg/state.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("DROP TRIGGER event_is_never_deleted")
        yield connection


def commits(repository: Repository) -> list[str]:
    return repository.git("rev-list", "--reverse", "HEAD").splitlines()


def test_runs_are_listed_newest_first(lived: Repository) -> None:
    lines = lived.ureg("runs", "list").splitlines()
    assert lines[0].split() == ["RUN", "OPERATION", "WHO", "STARTED", "TOOK", "COMMIT", "OUTCOME"]
    assert [line.split()[-2] for line in lines[1:]] == [commit[:8] for commit in reversed(commits(lived))]
    runs = data(lived, "runs", "list")["runs"]
    assert [run["commit"] for run in runs] == commits(lived)[::-1]
    assert {(run["operation"], run["outcome"]) for run in runs} == {("apply", "ok")}


def test_before_anything_was_run(repository: Repository) -> None:
    repository.write("ureg.yaml", "")
    repository.commit()
    assert repository.ureg("runs", "list") == "Nothing was run on this state yet.\n"
    assert repository.ureg("events", "list") == "Nothing is in the log.\n"
    assert repository.ureg("events", "verify") == "The chain is whole: no event.\n"
    assert "There is no run 'x'" in repository.refused("runs", "show", "x")
    assert "Nothing ever happened to component/a" in repository.refused("history", "component/a")


def test_one_run_by_the_beginning_of_its_id(lived: Repository) -> None:
    newest = data(lived, "runs", "list")["runs"][0]
    out = lived.ureg("runs", "show", newest["id"][:8])
    assert newest["id"] in out
    assert newest["commit"] in out
    assert "component/b" in out
    assert "component/a" not in out
    shown = data(lived, "runs", "show", newest["id"])
    assert shown["run"] == newest
    assert "component/b" in {event["address"] for event in shown["events"]}
    assert "There is no run ''" in lived.refused("runs", "show", "")


def test_an_ambiguous_beginning_names_the_runs(lived: Repository) -> None:
    for _ in range(17):  # with more runs than hexadecimal digits, two begin alike
        lived.ureg("state", "rm", "component/a")
        lived.ureg("import", "component/a")
        starts = [run["id"][0] for run in data(lived, "runs", "list")["runs"]]
        twice = [start for start in starts if starts.count(start) > 1]
        if twice:
            break
    assert "Several runs start with" in lived.refused("runs", "show", twice[0])


def test_the_history_of_a_component(lived: Repository) -> None:
    events = data(lived, "history", "component/a")["events"]
    assert [event["state"] for event in events][-1] == "disabled"
    assert {event["address"] for event in events} == {"component/a"}
    assert [event["commit"] for event in events] == sorted((e["commit"] for e in events), key=commits(lived).index)
    assert all("@" in event["who"] for event in events)
    assert data(lived, "history", "component/a", "-limit", "1")["events"] == events[-1:]
    out = lived.ureg("history", "component/b")
    assert out.splitlines()[-1].split()[5] == "absent"


def test_a_limit_is_a_number_above_zero(lived: Repository) -> None:
    assert "limit" in lived.refused("history", "component/a", "-limit", "0")
    assert "limit" in lived.refused("events", "list", "-limit", "x")


def test_events_of_all_and_of_one_run(lived: Repository) -> None:
    events = data(lived, "events", "list")["events"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    run = events[-1]["run"]
    assert data(lived, "events", "list", "-run", run[:12])["events"] == [e for e in events if e["run"] == run]
    assert data(lived, "events", "list", "-limit", "2")["events"] == events[-2:]
    assert len(lived.ureg("events", "list").splitlines()) == len(events) + 1


def test_the_chain_is_whole_and_its_head_can_be_noted(lived: Repository) -> None:
    events = data(lived, "events", "list")["events"]
    head = events[-1]["digest"]
    assert lived.ureg("events", "verify") == f"The chain is whole: {len(events)} events, head {head}\n"
    lived.ureg("state", "rm", "component/a")
    lived.ureg("events", "verify", "-expect", head)
    assert "not the one that was noted" in lived.refused("events", "verify", "-expect", "0" * 40)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET text = 'x' WHERE number = 2",
        "DELETE FROM event WHERE number = 2",
        "DELETE FROM event WHERE number = (SELECT max(number) FROM event)",
        "UPDATE event SET number = -1 WHERE number = 2; UPDATE event SET number = 2 WHERE number = 3;"
        "UPDATE event SET number = 3 WHERE number = -1",
    ],
)
def test_each_damage_of_the_log_is_named(lived: Repository, damage: str) -> None:
    last = len(data(lived, "events", "list")["events"])
    with database(lived) as connection:
        connection.executescript(damage)
    out = lived.ureg("events", "verify", code=1)
    assert f"event {last if 'max' in damage else 2}" in out


def test_a_component_as_it_was(lived: Repository) -> None:
    first, second, _ = commits(lived)
    now = lived.ureg("state", "show", "component/a")
    assert "you" in now
    for then in (first, first[:7], "HEAD~2", "main~2"):
        assert '"owner": "me"' in lived.ureg("state", "show", "component/a", "-at", then)
    assert lived.ureg("state", "show", "component/a", "-at", second) == now
    serial = data(lived, "history", "component/b")["events"][0]["serial"]
    assert "component/b" in lived.ureg("state", "show", "component/b", "-at", str(serial))
    assert "was not recorded at the serial" in lived.refused("state", "show", "component/b", "-at", "HEAD")
    assert "was not recorded at the serial 0" in lived.refused("state", "show", "component/a", "-at", "0")


def test_a_time_is_a_moment(lived: Repository) -> None:
    events = data(lived, "events", "list")["events"]
    then = next(event["time"] for event in events if event["address"] == "component/b")
    assert "component/b" in lived.ureg("state", "show", "component/b", "-at", then)
    assert "component/a" in lived.ureg("state", "show", "component/a", "-at", "9000-01-01")
    assert "Nothing was recorded by then" in lived.refused("state", "show", "component/a", "-at", "2001-01-01")
    assert "without a zone" in lived.refused("state", "show", "component/a", "-at", "2026-11-24T10:00:00")
    for never in ("2026-13-01", "2026-11-24Tx", "0001-01-01T00:00:00+23:59"):
        assert "is not a time" in lived.refused("state", "show", "component/a", "-at", never)


def test_digits_that_are_no_serial_may_begin_the_id_of_a_commit(lived: Repository) -> None:
    first, *_ = commits(lived)
    lived.git("tag", "77777", first)
    assert '"owner": "me"' in lived.ureg("state", "show", "component/a", "-at", "77777")


def test_a_moment_that_never_was(lived: Repository) -> None:
    assert "never had the serial 999" in lived.refused("state", "show", "component/a", "-at", "999")
    assert lived.refused("state", "show", "component/a", "-at", "--output=x")
    assert lived.refused("state", "show", "component/a", "-at", "nothing")
    unapplied = lived.commit("one that nobody applied")
    assert "No apply of the commit" in lived.refused("state", "show", "component/a", "-at", unapplied)


def test_a_look_at_the_history_loads_only_what_it_needs(lived: Repository) -> None:
    lived.ureg("lock", "show")  # the first command in a new place checks the schemas
    script = "import sys, cli; cli.run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    heavy = {
        "concurrent",
        "git",
        "jsonschema",
        "jsonschema_rs",
        "psycopg",
        "pydantic",
        "ruamel",
        "yaml_rs",
    }
    for command in (("history", "component/a"), ("runs", "list"), ("events", "list"), ("lock", "show")):
        done = subprocess.run(
            [sys.executable, "-c", script, *command],
            cwd=lived.root,
            env={**lived.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert heavy & set(done.stderr.split()) == set()
