"""The compile cache: what goes in comes out, and whatever is wrong with the file counts as empty."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.resource import Reference, Resource
from reconciler.ports import CompileCache
from reconciler.sources import compile_cache
from reconciler.sources.compile_cache import FileCompileCache


def resource(name: str, path: str = "registry.d/a.yaml", **changes: object) -> Resource:
    manifest = orjson.dumps({"kind": "Service", "metadata": {"name": name}, "spec": {"text": 'é\n"x"'}})
    references = (Reference("engine/duckdb", ("metadata", "dependsOn", 0)), Reference("service/b", ("spec", "uses")))
    links = references if name == "linked" else ()
    return Resource(f"service/{name}", "Service", "running", "f" * 32, manifest, links, path, 0, 3)


def at(path: str) -> Resource:
    return resource("one", path)


ENTRIES = {
    ("registry.d/a.yaml", "1" * 40): (resource("linked"), resource("second")._replace(document=1, line=9)),
    ("registry.d/empty.yaml", "2" * 40): (),
    ("registry.d/b.yaml", "3" * 40): (resource("b", "registry.d/b.yaml"),),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "registry"


def test_round_trip(file: Path) -> None:
    cache: CompileCache = FileCompileCache(file)
    cache.store("digest", ENTRIES)
    loaded = FileCompileCache(file).load("digest")
    assert loaded == ENTRIES
    first = loaded["registry.d/a.yaml", "1" * 40][0]
    assert isinstance(first.manifest, bytes)
    assert isinstance(first.references[0], Reference)
    assert first.dependencies == ("engine/duckdb", "service/b")


def test_it_is_private(file: Path) -> None:
    FileCompileCache(file).store("digest", ENTRIES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.iterdir()} == {"base": 0o600, "recent": 0o600}


def test_other_schemas_have_nothing(file: Path) -> None:
    cache = FileCompileCache(file)
    cache.store("digest", ENTRIES)
    assert cache.load("other") == {}
    cache.store("other", ENTRIES)
    assert cache.load("other") == ENTRIES
    assert cache.load("digest") == {}


def test_checked_schemas_outlive_the_entries(file: Path) -> None:
    cache = FileCompileCache(file)
    assert cache.recall("digest") is None
    cache.remember("digest", "sound")
    cache.store("digest", ENTRIES)
    cache.remember("second", "sound")
    assert cache.load("digest") == ENTRIES
    assert cache.recall("digest") == "sound"
    assert cache.recall("second") == "sound"
    for number in range(30):
        cache.remember(str(number), "sound")
    assert cache.recall("digest") is None
    assert cache.recall("29") == "sound"


def test_another_version_of_the_program(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FileCompileCache(file)
    cache.store("digest", ENTRIES)
    cache.remember("digest", "sound")
    monkeypatch.setattr(compile_cache, "__version__", "0.0.0")
    assert cache.load("digest") == {}
    assert cache.recall("digest") is None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_counts_as_empty(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    file = folder / "base"
    cache = FileCompileCache(folder)
    cache.load("digest")
    cache.store("digest", {})
    cache.store("digest", ENTRIES)
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    flipped = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    file.write_bytes(
        {"cut": whole[:at], "flip": whole[:at] + flipped + whole[at + 1 :]}.get(kind, whole[:at] + b"x" + whole[at:])
    )
    assert cache.load("digest") == {}
    cache.store("digest", ENTRIES)
    assert cache.load("digest") == ENTRIES


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"null", b"[1,2]\n[]", b"[]\n", b"\x00" * 100, b"[" * 100_000, b'{"a":1}']
)
def test_foreign_files(file: Path, content: bytes) -> None:
    file.mkdir(parents=True)
    for name in ("base", "recent", "findings"):
        (file / name).write_bytes(content)
    cache = FileCompileCache(file)
    assert cache.load("") == {}
    assert cache.recall("") is None


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = FileCompileCache(tmp_path / "file" / "cache")
    cache.store("digest", ENTRIES)
    cache.remember("digest", "sound")
    assert cache.load("digest") == {}
    assert cache.recall("digest") is None


def test_what_json_cannot_hold_is_not_kept(file: Path) -> None:
    cache = FileCompileCache(file)
    cache.store("digest", {("\udcff", "1"): (resource("a"),)})
    assert cache.load("digest") == {}


def test_a_folder_in_a_files_place(file: Path) -> None:
    (file / "base").mkdir(parents=True)
    cache = FileCompileCache(file)
    cache.store("digest", ENTRIES)
    assert cache.load("digest") == {}
    assert sorted(path.name for path in file.iterdir()) == ["base", "recent"]


def test_a_few_new_entries_stand_beside_the_base(file: Path) -> None:
    many = {(f"registry.d/{number}.yaml", "1" * 40): (at(f"registry.d/{number}.yaml"),) for number in range(100)}
    FileCompileCache(file).store("digest", many)
    base = (file / "base").read_bytes()
    cache = FileCompileCache(file)
    added = {("registry.d/new.yaml", "4" * 40): (resource("new", "registry.d/new.yaml"),)}
    cache.store("digest", {**cache.load("digest"), **added})
    assert (file / "base").read_bytes() == base
    assert FileCompileCache(file).load("digest") == {**many, **added}
    assert len((file / "recent").read_bytes()) < len(base) / 20


def test_many_new_entries_make_a_new_base_without_the_old_ones(file: Path) -> None:
    FileCompileCache(file).store("digest", ENTRIES)
    cache = FileCompileCache(file)
    cache.load("digest")
    fresh = {(f"registry.d/{number}.yaml", "1" * 40): (at(f"registry.d/{number}.yaml"),) for number in range(10)}
    cache.store("digest", fresh)
    assert FileCompileCache(file).load("digest") == fresh
