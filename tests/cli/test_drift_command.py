"""`ureg drift` and `plan -refresh-only`, while the world and the manifests change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from probes import Probes
from repository import Repository


@pytest.fixture
def probes(repository: Repository) -> Probes:
    return Probes(repository, "a", "b")


def drifted(probes: Probes, *args: str, code: int) -> Any:
    document = json.loads(probes.repository.ureg("drift", "-json", *args, code=code))
    assert (document["version"], document["drifted"]) == (1, code == 2)
    return {found["address"]: found for found in document["components"]}


def differences(found: Any) -> dict[str, tuple[Any, ...]]:
    """The sides of each field: which moved, then desired, recorded and observed."""
    return {
        each["field"]: (each["moved"], each.get("desired"), each.get("recorded"), each.get("observed"))
        for each in found["differences"]
    }


def test_no_drift(probes: Probes) -> None:
    assert drifted(probes, code=0) == {}
    assert "No drift: what is there is as recorded, 2 components compared." in probes.repository.ureg("drift")


def test_what_waits_in_git_is_shown_and_is_no_drift(probes: Probes) -> None:
    probes.ask("a", n=2, extra="x")
    probes.ask("new", n=1)
    found = drifted(probes, code=0)
    assert (found["probe/a"]["moved"], found["probe/a"]["source"]) == ("git", "registry.d/a.yaml:1")
    assert differences(found["probe/a"]) == {
        "spec.extra": ("git", "x", None, None),
        "spec.n": ("git", 2, 1, 1),
    }
    assert differences(found["probe/new"]) == {"state": ("git", "on", "absent", "absent")}
    text = probes.repository.ureg("drift")
    assert "spec.n      git moved        1 -> 2" in text
    assert "No drift" in text
    assert "Not yet as git says: 2" in text


def test_the_world_moves(probes: Probes) -> None:
    probes.change("a", state="off")
    probes.change("b", spec={"n": 7})
    found = drifted(probes, code=2)
    assert differences(found["probe/a"]) == {
        "state": ("world", "on", "on", "off"),
        "seen": ("world", None, None, "it is off"),
    }
    assert differences(found["probe/b"]) == {"spec.n": ("world", "1", "1", "7")}
    text = probes.repository.ureg("drift", code=2)
    assert "  spec.n  the world moved  1 -> 7\n" in text
    assert "Drift: 2 changed outside of ureg, 2 components compared." in text


def test_both_move(probes: Probes) -> None:
    probes.ask("a", n=2)
    probes.change("a", spec={"n": 3})
    (probes.repository.root / "world/b.json").unlink()
    (probes.repository.root / "registry.d/b.yaml").unlink()
    found = drifted(probes, code=2)
    assert differences(found["probe/a"]) == {"spec.n": ("both", 2, 1, "3")}
    assert differences(found["probe/b"])["state"] == ("both", "absent", "on", "absent")
    assert "both moved       1 -> 2 in git, 3 in the world" in probes.repository.ureg("drift", "probe/a", code=2)


def test_only_some_components(probes: Probes) -> None:
    probes.change("a", state="off")
    assert list(drifted(probes, "probe/b", code=0)) == []
    assert list(drifted(probes, "probes", code=2)) == ["probe/a"]
    assert list(drifted(probes, "component", code=0)) == []
    words = probes.repository.refused("drift", "probe/c", "prob")
    assert "There is no component probe/c" in words
    assert "There is no kind 'prob'" in words
    assert "Did you mean probe?" in words


def test_a_driver_that_cannot_look_hides_nothing_else(probes: Probes) -> None:
    probes.repository.write("registry.d/c.yaml", json.dumps(CONFIG))
    probes.repository.ureg("apply", "-auto-approve")
    probes.repository.write(".ureg/out/c.json", "{}")
    probes.change("a", blind="the lamp is out")
    done = probes.repository.run("drift")
    assert done.returncode == 1
    assert "config/c: the world moved" in done.stdout
    assert "The probe driver cannot see what is there" in done.stderr
    assert "the lamp is out" in done.stderr


def test_invalid_manifests(probes: Probes) -> None:
    probes.repository.write("registry.d/bad.yaml", "kind: [")
    assert "registry.d/bad.yaml" in probes.repository.refused("drift", "-json")


def test_a_failed_component_says_so(probes: Probes) -> None:
    probes.change("a", fail={"update": "no room\nat all"})
    probes.ask("a", n=2)
    probes.repository.ureg("apply", "-auto-approve", code=1)
    text = probes.repository.ureg("drift")
    assert "probe/a: not applied\n" in text
    assert "its last transition failed: no room (and 1 more line)\n" in text
    assert "spec.n  not applied      1 -> 2" in text
    assert "No drift" in text


def test_a_refresh_only_plan_tells_piece_by_piece_and_its_apply_records(probes: Probes) -> None:
    repository = probes.repository
    probes.change("a", spec={"n": 7})
    text = repository.ureg("plan", "-refresh-only", "-out=seen.plan")
    assert "      ~ spec.n: 1 -> 7\n" in text
    document = json.loads(repository.ureg("show", "-json", "seen.plan"))
    (change,) = document["resource_drift"]
    assert change["ureg"]["seen"] == [{"field": "spec.n", "recorded": "1", "observed": "7"}]
    probes.change("b", state="off")
    repository.ureg("apply", "-refresh-only", "-auto-approve")
    assert "on (drifted)" in repository.ureg("health", "probe/a")
    found = drifted(probes, code=2)
    assert differences(found["probe/b"]) == {"state": ("git", "on", "off", "off")}, "what was recorded is no drift"
    assert differences(found["probe/a"]) == {"spec.n": ("world", "1", "1", "7")}
    repository.ureg("apply", "-auto-approve")
    assert drifted(probes, code=0) == {}


def test_a_state_that_a_refresh_recorded_is_led_back_to_without_an_update(probes: Probes) -> None:
    probes.change("b", state="off")
    probes.repository.ureg("apply", "-refresh-only", "-auto-approve")
    assert "(start)" in probes.repository.ureg("plan")


CONFIG = {
    "apiVersion": "ureg/v1",
    "kind": "Config",
    "metadata": {"name": "c"},
    "spec": {"format": "json", "path": "c.json", "values": {"x": 1}},
}
