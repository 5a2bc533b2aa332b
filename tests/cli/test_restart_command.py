"""`ureg restart`: a verb that is only asked for goes through the journal like any other."""

from __future__ import annotations

import json

import pytest
from manifests import component
from probes import Probes
from repository import Repository


@pytest.fixture
def probes(repository: Repository) -> Probes:
    repository.write("registry.d/c.yaml", component("c"))
    return Probes(repository, "a", "b")


def effects(probes: Probes, name: str) -> list[str]:
    return [verb for verb, _ in probes.there(name)["effects"]]


def test_a_restart_is_done_and_noted_and_changes_no_record(probes: Probes) -> None:
    repository = probes.repository
    before = json.loads(repository.ureg("get", "probe/a", "-o", "json"))
    probes.ask("a", n=2)
    repository.commit()
    out = repository.ureg("restart", "probe/a")
    assert "probe/a: restart...\nprobe/a: restart complete after 0s\n" in out
    assert "Restart complete! Components: 1." in out
    assert probes.there("a")["effects"][-1] == ["restart", {"n": 1}], "what waits in git stays out"
    after = json.loads(repository.ureg("get", "probe/a", "-o", "json"))
    assert after == {**before, "serial": after["serial"]}
    assert effects(probes, "b").count("restart") == 0
    (event,) = json.loads(repository.ureg("history", "probe/a", "-json", "-limit=1"))["events"]
    assert (event["verb"], event["state"]) == ("restart", "on")
    (run, *_) = json.loads(repository.ureg("runs", "list", "-json"))["runs"]
    assert (run["operation"], run["outcome"], run["commit"]) == ("restart", "ok", "")


def test_what_others_depend_on_restarts_first(probes: Probes) -> None:
    probes.ask("a", depends_on=("probe/b",), n=1)
    probes.repository.ureg("apply", "-auto-approve")
    lines = probes.repository.ureg("restart", "probe/a", "probe/b").splitlines()
    assert [line for line in lines if "complete after" in line] == [
        "probe/b: restart complete after 0s",
        "probe/a: restart complete after 0s",
    ]


def test_a_restart_that_fails_is_healed_by_an_apply(probes: Probes) -> None:
    probes.change("a", fail={"restart": "it did not come back"})
    done = probes.repository.run("restart", "probe/a")
    assert done.returncode == 1
    assert "it did not come back" in done.stdout
    assert "Restart incomplete. Components: 0." in done.stdout
    text = probes.repository.ureg("plan")
    assert "because its last transition failed: it did not come back" in text
    probes.repository.ureg("apply", "-auto-approve")
    assert probes.repository.ureg("health", "probe/a").splitlines()[1].split() == ["probe/a", "on", "yes"]


def test_all_that_cannot_be_restarted_is_named_at_once(probes: Probes) -> None:
    probes.ask("b", state="off", n=1)
    probes.repository.ureg("apply", "-auto-approve")
    words = " ".join(probes.repository.refused("restart", "probe/a", "probe/b", "component/c", "probe/x").split())
    assert "probe/b cannot restart" in words
    assert "It is off, and restart starts from on." in words
    assert "component/c cannot restart" in words
    assert "The kind Component has no verb on demand." in words
    assert "There is no component probe/x" in words
    assert effects(probes, "a").count("restart") == 0


def test_the_lock_and_the_messages_are_those_of_an_apply(probes: Probes) -> None:
    lines = [json.loads(line) for line in probes.repository.ureg("restart", "probe/a", "-json").splitlines()]
    kinds = [line["type"] for line in lines]
    assert kinds == ["version", "planned_change", "change_summary", "apply_start", "apply_complete", "change_summary"]
    assert lines[1]["change"]["ureg"]["verbs"] == ["restart"]
