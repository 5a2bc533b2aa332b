"""`ureg health` with drivers that are well, ill, broken and silent."""

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


def test_all_are_well(probes: Probes) -> None:
    lines = probes.repository.ureg("health").splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["ADDRESS", "STATE", "HEALTHY", "MESSAGE"],
        ["component/c", "enabled", "yes"],
        ["probe/a", "on", "yes"],
        ["probe/b", "on", "yes"],
    ]
    assert lines[-1] == "All 3 healthy."


def test_one_is_ill(probes: Probes) -> None:
    probes.change("a", healthy=False, message="3 checks failed\n::error::\x1b[2J")
    text = probes.repository.ureg("health", code=1)
    assert "no       3 checks failed (and 1 more line)\n" in text
    assert text.endswith("1 of 3 not healthy.\n")
    document = json.loads(probes.repository.ureg("health", "-json", code=1))
    assert document["healthy"] is False
    assert document["components"][1] == {
        "address": "probe/a",
        "kind": "Probe",
        "state": "on",
        "status": "ok",
        "healthy": False,
        "message": "3 checks failed\n::error::\x1b[2J",
    }


def test_a_broken_driver_keeps_no_other_from_answering(probes: Probes) -> None:
    probes.change("b", bug="two by zero")
    text = probes.repository.ureg("health", code=1)
    assert "its driver has a bug: ZeroDivisionError: two by zero" in text
    assert "1 of 3 not healthy" in text


def test_only_some_are_asked(probes: Probes) -> None:
    probes.change("b", healthy=False)
    assert "All 2 healthy." in probes.repository.ureg("health", "probe/a", "components")
    assert "There is no component probe/c" in probes.repository.refused("health", "probe/c")


def test_what_was_never_made_is_not_healthy(probes: Probes) -> None:
    probes.repository.write("world/new.json", json.dumps({"fail": {"add": "no room"}}))
    probes.ask("new")
    probes.repository.ureg("apply", "-auto-approve", code=1)
    text = probes.repository.ureg("health", "probe/new", code=1)
    assert "absent (failed)  no       it was never made: no room" in text


def test_without_its_schema_nobody_can_tell(probes: Probes) -> None:
    (probes.repository.root / "schemas/probe.schema.json").unlink()
    assert "no schema describes the kind Probe" in probes.repository.ureg("health", code=1)


def test_without_its_driver_nobody_can_tell(probes: Probes) -> None:
    del probes.repository.environment["PYTHONPATH"]
    text = probes.repository.ureg("health", code=1)
    assert "There is no driver 'probe'" in text
    assert "component/c  enabled  yes" in text
