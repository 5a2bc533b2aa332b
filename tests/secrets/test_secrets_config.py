"""Configs with secrets: they are in the rendered file, and in nothing that the driver says."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from dotenv import dotenv_values
from drivers.component import Component
from sites import site_of

from reconciler.drivers.loading import load_driver
from reconciler.model.record import Observation
from reconciler.ports import Driver

TOKEN = {"secretRef": "env:TOKEN"}


def config(name: str = "a", /, **spec: Any) -> Component:
    return Component("Config", name, "present", {"format": "json", "path": f"{name}.json", **spec})


class Place:
    """An output folder, and an environment that can be changed between two looks."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.environment = environment
        self.out = root / "out"
        self.driver: Driver = load_driver("files", site_of(self.out, environment))

    def apply(self, component: Component, before: Component | None = None) -> str:
        return self.driver.execute([component.apply(before)])[0].error

    def drift(self, component: Component) -> str:
        seen = list(self.driver.observe([component.record()]))
        return seen[0].drift if seen else ""

    def mode(self, path: str) -> int:
        return (self.out / path).stat().st_mode & 0o777


@pytest.fixture
def place(root: Path, environment: dict[str, str]) -> Place:
    return Place(root, environment | {"TOKEN": "hunter2", "OTHER": "swordfish"})


READERS: dict[str, Callable[[Path], Any]] = {
    "json": lambda path: orjson.loads(path.read_bytes()),
    "yaml": lambda path: yaml.safe_load(path.read_text()),
    "toml": lambda path: tomllib.loads(path.read_text()),
    "dotenv": dotenv_values,
}


@pytest.mark.parametrize("form", READERS)
def test_secrets_stand_beside_the_other_values(place: Place, form: str) -> None:
    component = config(format=form, values={"plain": "x"}, secrets={"token": TOKEN})
    assert place.apply(component) == ""
    assert READERS[form](place.out / "a.json") == {"plain": "x", "token": "hunter2"}
    assert place.drift(component) == ""


def test_a_reference_anywhere_among_the_values_is_a_secret(place: Place) -> None:
    component = config(
        defaults={"db": {"password": {"secretRef": "env:MISSING"}, "port": 1}, "over": "x"},
        values={"db": {"password": TOKEN}, "list": ["a", {"secretRef": "env:OTHER"}], "over": "y"},
        secrets={"over": TOKEN},
    )
    assert place.apply(component) == ""
    assert orjson.loads((place.out / "a.json").read_bytes()) == {
        "db": {"password": "hunter2", "port": 1},
        "list": ["a", "swordfish"],
        "over": "hunter2",
    }


def test_a_file_with_secrets_is_for_its_owner(place: Place) -> None:
    assert place.apply(config(secrets={"token": TOKEN})) == ""
    assert place.apply(config("b", secrets={"token": TOKEN}, mode="0640")) == ""
    assert place.apply(config("c", values={"x": 1})) == ""
    assert [place.mode(f"{name}.json") for name in "abc"] == [0o600, 0o640, 0o644]


@pytest.mark.parametrize("mode", ["0644", "0604", "0601", "0777"])
def test_a_mode_that_opens_secrets_to_everyone_is_refused(place: Place, mode: str) -> None:
    words = place.apply(config(secrets={"token": TOKEN}, mode=mode))
    assert mode in words
    assert "0600" in words
    assert not (place.out / "a.json").exists()


def test_the_first_secret_closes_a_file_that_was_open(place: Place) -> None:
    before = config(values={"x": 1})
    assert place.apply(before) == ""
    after = config(values={"x": 1}, secrets={"token": TOKEN})
    assert place.apply(after, before) == ""
    assert place.mode("a.json") == 0o600


def test_drift_is_seen_and_told_without_the_secret(place: Place) -> None:
    component = config(values={"x": 1}, secrets={"token": TOKEN})
    place.apply(component)
    path = place.out / "a.json"
    path.write_bytes(path.read_bytes().replace(b"hunter2", b"hunter3"))
    path.chmod(0o644)
    assert place.drift(component) == "a.json: content changed (1 line); mode 0644, should be 0600"
    assert place.apply(component, component) == ""
    assert place.drift(component) == ""


def test_a_rotated_secret_is_drift_and_is_rendered_anew(place: Place) -> None:
    component = config(secrets={"token": TOKEN})
    place.apply(component)
    place.environment["TOKEN"] = "correct horse"
    assert place.drift(component) == "a.json: content changed (1 line)"
    assert place.apply(component, component) == ""
    assert orjson.loads((place.out / "a.json").read_bytes()) == {"token": "correct horse"}


def test_a_secret_that_cannot_be_had_is_told_and_touches_nothing(place: Place) -> None:
    component, other = config(secrets={"token": TOKEN}), config("b", values={"x": 1})
    place.apply(component)
    before = (place.out / "a.json").read_bytes()
    del place.environment["TOKEN"]
    missing = "spec.secrets.token: the environment variable TOKEN is not set"
    seen = list(place.driver.observe([component.record(), other.record()]))
    assert seen == [
        Observation("config/a", "present", missing),
        Observation("config/b", "absent", "b.json: missing"),
    ]
    outcomes = place.driver.execute([component.apply(component), other.apply()])
    assert [outcome.error for outcome in outcomes] == [missing, ""]
    assert (place.out / "a.json").read_bytes() == before


def test_a_file_that_is_gone_needs_no_secret(place: Place) -> None:
    component = config(secrets={"token": {"secretRef": "env:MISSING"}})
    assert list(place.driver.observe([component.record()])) == [Observation("config/a", "absent", "a.json: missing")]
    assert [outcome.error for outcome in place.driver.execute([component.remove()])] == [""]


@pytest.mark.parametrize("secret", ["two\nlines", "a\x07bell", "${expand} it", "it's `both` $ways", "\ufeffmark"])
@pytest.mark.parametrize("form", READERS)
def test_what_a_format_cannot_hold_is_refused_without_showing_it(place: Place, form: str, secret: str) -> None:
    place.environment["TOKEN"] = secret
    component = config(format=form, secrets={"token": TOKEN})
    words = place.apply(component)
    assert secret not in words
    if not words:
        assert READERS[form](place.out / "a.json") == {"token": secret}


def test_a_taken_path_and_a_folder_in_the_way_are_told_without_it(place: Place) -> None:
    component = config(secrets={"token": TOKEN}, path="x/a.json")
    (place.out / "x").mkdir(parents=True)
    (place.out / "x/a.json").write_text("{}")
    assert "not managed by ureg" in place.apply(component)
    (place.out / "x/a.json").unlink()
    (place.out / "x").rmdir()
    (place.out / "x").write_text("")
    words = place.apply(component)
    assert words
    assert "hunter2" not in words


def test_nothing_but_the_file_holds_it(place: Place) -> None:
    place.apply(config(secrets={"token": TOKEN}))
    place.apply(config("b", secrets={"token": TOKEN}, mode="0777"))
    holding = [
        os.path.relpath(path, place.out)
        for path in place.out.rglob("*")
        if path.is_file() and b"hunter2" in path.read_bytes()
    ]
    assert holding == ["a.json"]
