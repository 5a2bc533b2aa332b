"""The compile cache of a program that goes on: as the one below it, but read from there once."""

from __future__ import annotations

from pathlib import Path

from reconciler.model.resource import Resource
from reconciler.sources.compile_cache import FileCompileCache
from reconciler.sources.kept_cache import KeptCache

ONE = {("a.yaml", "1" * 40): (Resource("service/a", "Service", "running", "f", b"{}", (), "a.yaml", 0, 1),)}
OTHER = {("a.yaml", "2" * 40): (Resource("service/a", "Service", "running", "g", b"{}", (), "a.yaml", 0, 1),)}


def test_what_was_stored_is_at_hand_and_outlives_the_program(tmp_path: Path) -> None:
    kept = KeptCache(FileCompileCache(tmp_path))
    assert kept.load("s") == {}
    kept.store("s", ONE)
    assert kept.load("s") is ONE
    kept.remember("digest", "sound")
    again = KeptCache(FileCompileCache(tmp_path))
    assert again.load("s") == ONE
    assert (again.recall("digest"), again.recall("other")) == ("sound", None)


def test_it_is_read_once(tmp_path: Path) -> None:
    kept = KeptCache(FileCompileCache(tmp_path))
    assert kept.load("s") == {}
    FileCompileCache(tmp_path).store("s", ONE)
    assert kept.load("s") == {}


def test_other_schemas_have_other_entries(tmp_path: Path) -> None:
    kept = KeptCache(FileCompileCache(tmp_path))
    kept.store("s", ONE)
    assert kept.load("t") == {}
    kept.store("t", OTHER)
    assert kept.load("t") is OTHER
