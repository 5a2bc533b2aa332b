"""Checks across a registry: what was found in manifests is kept, and kept it says the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from compiler.checked_kinds import CATALOGUE, thing

from reconciler.compiler.claims import Claims, claims
from reconciler.engine import claims as engine
from reconciler.engine.claims import KeepsClaims, check_across
from reconciler.model.kind import Kind
from reconciler.model.resource import Resource
from reconciler.sources.compile_cache import FileCompileCache, ReadOnlyCache


def registry() -> list[Resource]:
    return [
        thing("a", doors=[{"number": 7}]),
        thing("b", doors=[{"number": 7}], uses=["old"]),
        thing("old", "leaving", version="1.0"),
        thing("c", "off", doors=[{"number": 7}], needs=[{"thing": "old", "range": ">=2"}]),
    ]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of the components whose manifests are read for their claims."""
    addresses: list[str] = []

    def noted(resource: Resource, kind: Kind) -> Claims:
        addresses.append(resource.address)
        return claims(resource, kind)

    monkeypatch.setattr(engine, "claims", noted)
    return addresses


def codes(resources: Sequence[Resource], folder: Path) -> list[str]:
    return [found.code for found in check_across(resources, FileCompileCache(folder), CATALOGUE)]


def test_nothing_is_read_twice(tmp_path: Path, read: list[str]) -> None:
    resources = registry()
    first = codes(resources, tmp_path)
    assert sorted(first) == ["deprecated", "unique-taken", "version-unsatisfied"]
    assert len(read) == 4
    assert codes(resources, tmp_path) == first
    assert len(read) == 4


def test_what_changed_is_read_and_nothing_else(tmp_path: Path, read: list[str]) -> None:
    resources = registry()
    codes(resources, tmp_path)
    read.clear()
    resources[1] = thing("b", doors=[{"number": 8}])
    assert codes(resources, tmp_path) == ["version-unsatisfied", "deprecated"]
    assert read == ["thing/b"]


def test_another_state_claims_something_else(tmp_path: Path, read: list[str]) -> None:
    resources = registry()
    codes(resources, tmp_path)
    resources[1] = resources[1]._replace(state="off")
    assert "unique-taken" not in codes(resources, tmp_path)
    assert read[-1] == "thing/b"


def test_a_cache_that_keeps_no_claims_will_do(tmp_path: Path) -> None:
    cache = ReadOnlyCache(FileCompileCache(tmp_path))
    assert not isinstance(cache, KeepsClaims)
    assert len(check_across(registry(), cache, CATALOGUE)) == 3


def test_kinds_that_claim_nothing_cost_nothing(tmp_path: Path) -> None:
    house = thing("a")._replace(address="house/a", kind="House", manifest=b"not even JSON")
    assert codes([house], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
