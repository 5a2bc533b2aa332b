"""What a registry and its sub-registries add up to: real repositories, compiled through the real adapters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from families import made, registry, settings
from manifests import component
from repository import Repository

from reconciler.bootstrap import open_registry
from reconciler.engine import subregistries
from reconciler.engine.desired import Compiled, compile_desired

Compile = Callable[..., Compiled]


@pytest.fixture
def compile_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compile:
    """Compiles the registry in the folder `root`, which `files` are written to first."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    root = tmp_path / "root"
    root.mkdir()
    (root / "ureg.yaml").write_text(settings(tmp_path))

    def compile_it(look: bool = True, **files: str) -> Compiled:
        for name, text in files.items():
            path = root / "registry.d" / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        opened = open_registry(root, {}, {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)})
        return compile_desired(opened.source, opened.cache, opened.catalogue, opened.settings.registry, look)

    return compile_it


def child(tmp_path: Path, name: str, *manifests: str) -> Repository:
    return made(tmp_path, name, {f"registry.d/{place}.yaml": text for place, text in enumerate(manifests)})


def addresses(compiled: Compiled) -> set[str]:
    assert compiled.desired is not None, compiled.diagnostics
    return set(compiled.desired.resources)


def told(compiled: Compiled) -> str:
    assert compiled.desired is None
    return "\n".join(f"{d.location}: {d.code}: {d.summary} {d.detail} {d.hint}" for d in compiled.diagnostics)


def test_components_stand_under_the_name_and_both_sides_may_refer(tmp_path: Path, compile_root: Compile) -> None:
    one = child(tmp_path, "one", component("a", depends_on=["component/b", "component/shared"]), component("b"))
    compiled = compile_root(
        one=registry("payments", one.root, ["component/shared"]),
        own=component("shared") + "---\n" + component("user", depends_on=["payments:component/a"]),
    )
    assert addresses(compiled) == {
        *("registry/payments", "component/shared", "component/user"),
        *("payments:component/a", "payments:component/b"),
    }
    assert compiled.desired
    commit = one.git("rev-parse", "HEAD")
    found = compiled.desired.resources["payments:component/a"]
    assert found.dependencies == ("payments:component/b", "component/shared", "registry/payments")
    assert found.path == f"payments@{commit[:12]}:registry.d/0.yaml"
    assert compiled.desired.resources["registry/payments"].body()["spec"]["commit"] == commit


def test_twice_gives_the_same_from_the_cache(tmp_path: Path, compile_root: Compile) -> None:
    one = child(tmp_path, "one", component("a"), component("b", depends_on=["component/a"]))
    first = compile_root(one=registry("payments", one.root))
    assert compile_root()[:3] == first[:3]
    assert compile_root(look=False)[:3] == first[:3]


def test_a_disabled_one_brings_nothing(tmp_path: Path, compile_root: Compile) -> None:
    manifest = registry("payments", "https://127.0.0.1:9/never-asked", state="disabled")
    assert addresses(compile_root(one=manifest)) == {"registry/payments"}


def test_nothing_else_of_the_parent_can_be_reached(tmp_path: Path, compile_root: Compile) -> None:
    one = child(tmp_path, "one", component("a", depends_on=["component/secret"]))
    two = child(tmp_path, "two", component("b", depends_on=["payments:component/a", "registry/payments"]))
    text = told(
        compile_root(own=component("secret"), one=registry("payments", one.root), two=registry("orders", two.root))
    )
    commit = one.git("rev-parse", "HEAD")[:12]
    assert f"payments@{commit}:registry.d/0.yaml:5:15: reference-unknown: payments:component/a refers to" in text
    assert "component/secret is outside of payments: its parent may list it under exports" in text
    assert "orders:payments:component/a, which does not exist" in text
    assert "orders:registry/payments, which does not exist" in text


def test_errors_name_the_place_in_the_child(tmp_path: Path, compile_root: Compile) -> None:
    one = child(tmp_path, "one", "kind: Component\n", component("x").replace("owner", "ownr"))
    compiled = compile_root(one=registry("payments", one.root))
    label = f"payments@{one.git('rev-parse', 'HEAD')[:12]}:registry.d"
    assert f"{label}/1.yaml:7:3" in told(compiled)
    lines = [d.location.source_line for d in compiled.diagnostics if d.location]
    assert "  ownr: me" in lines


def test_the_kinds_the_settings_and_the_plain_files_are_the_parents(tmp_path: Path, compile_root: Compile) -> None:
    kind = '{"x-ureg": {"kind": "Evil", "plural": "evils", "driver": "record", "files": "plain/*.yml"}}'
    one = made(
        tmp_path,
        "one",
        {
            "schemas/evil.schema.json": kind,
            "plain/a.yml": "a: 1\n",
            "ureg.yaml": "registry: other\n",
            "other/b.yaml": component("b"),
            "registry.d/a.yaml": component("a"),
        },
    )
    assert addresses(compile_root(one=registry("payments", one.root))) == {"registry/payments", "payments:component/a"}
    one.write("registry.d/evil.yaml", "apiVersion: ureg/v1\nkind: Evil\nmetadata: {name: x}\n")
    one.commit()
    assert 'There is no kind "Evil"' in told(compile_root())


def test_they_stand_inside_each_other(tmp_path: Path, compile_root: Compile) -> None:
    inner = child(tmp_path, "inner", component("book", depends_on=["component/db"]))
    outer = child(
        tmp_path,
        "outer",
        registry("ledger", inner.root, ["component/db"]),
        component("top", depends_on=["ledger:component/book"]),
    )
    compiled = compile_root(
        own=component("db") + "---\n" + component("user", depends_on=["payments:ledger:component/book"]),
        one=registry("payments", outer.root, ["component/db"]),
    )
    assert compiled.desired, compiled.diagnostics
    found = compiled.desired.resources
    book = found["payments:ledger:component/book"]
    assert book.dependencies == ("component/db", "payments:registry/ledger", "registry/payments")
    assert found["payments:registry/ledger"].dependencies == ("component/db", "registry/payments")
    assert "payments:ledger:component/book" in found["payments:component/top"].dependencies


def test_a_cycle_is_refused_with_the_way(tmp_path: Path, compile_root: Compile) -> None:
    one, two = child(tmp_path, "one", component("x")), child(tmp_path, "two", component("x"))
    one.write("registry.d/r.yaml", registry("two", two.root))
    two.write("registry.d/r.yaml", registry("one", one.root))
    one.commit()
    two.commit()
    text = told(compile_root(one=registry("one", one.root)))
    assert "registry-cycle: These sub-registries contain each other: one -> one:two -> one:two:one" in text
    assert f"one:two@{two.git('rev-parse', 'HEAD')[:12]}:registry.d/r.yaml:6:11" in text


def test_the_registry_itself_closes_a_cycle_too(tmp_path: Path, compile_root: Compile) -> None:
    root = Repository(tmp_path / "root", tmp_path / "cache")
    root.git("init", "-q", "-b", "main")
    compiled = compile_root(own=component("x"))
    root.commit()
    assert addresses(compiled) == {"component/x"}
    text = told(compile_root(one=registry("self", root.root)))
    assert "this registry -> self" in text


def test_too_many_inside_each_other_are_refused(tmp_path: Path, compile_root: Compile) -> None:
    last = child(tmp_path, "r0", component("x"))
    for number in range(1, 4):
        last = child(tmp_path, f"r{number}", component("x"), registry("next", last.root))
    text = told(compile_root(one=registry("first", last.root)))
    assert "registry-depth: More than 3 sub-registries stand inside each other" in text
    assert "first -> first:next -> first:next:next names another one" in text


def test_a_prefix_belongs_to_one(tmp_path: Path, compile_root: Compile) -> None:
    one, two = child(tmp_path, "one", component("x")), child(tmp_path, "two", component("y"))
    block = {"kind": "Team", "plural": "teams", "driver": "git", "brings": "present"}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "x-ureg": block}
    (tmp_path / "root/schemas").mkdir()
    (tmp_path / "root/schemas/team.schema.json").write_text(json.dumps(schema))
    team = registry("same", two.root).replace("kind: Registry", "kind: Team").replace("state: enabled\n", "")
    text = told(compile_root(one=registry("same", one.root), two=team))
    assert "registry-taken: Another sub-registry has the prefix same already" in text


def test_too_many_in_all_are_refused(tmp_path: Path, compile_root: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subregistries, "MOST", 3)
    one = child(tmp_path, "one", component("x"))
    files = {f"r{n}": registry(f"r{n}", one.root) for n in range(4)}
    assert "registry-count: There are more than 3 sub-registries" in told(compile_root(**files))


def test_one_that_cannot_be_had_is_one_error_at_its_place(tmp_path: Path, compile_root: Compile) -> None:
    compiled = compile_root(
        one=registry("payments", tmp_path / "gone"), own=component("user", depends_on=["payments:component/a"])
    )
    assert compiled.desired is None
    (found,) = compiled.diagnostics
    assert found.code == "registry-unavailable"
    assert found.address == "registry/payments"
    assert str(found.location) == "registry.d/one.yaml:6:11"


def test_an_empty_one_does_not_remove_everything(tmp_path: Path, compile_root: Compile) -> None:
    one = made(tmp_path, "one", {"other/a.yaml": component("a")})
    assert "registry-empty: The sub-registry payments holds no manifests" in told(
        compile_root(one=registry("payments", one.root))
    )
    there = compile_root(one=registry("payments", one.root, more="  directory: other"))
    assert addresses(there) == {"registry/payments", "payments:component/a"}


def test_an_export_that_depends_on_what_it_is_exported_to_is_a_cycle(tmp_path: Path, compile_root: Compile) -> None:
    one = child(tmp_path, "one", component("a"))
    text = told(
        compile_root(
            own=component("db", depends_on=["payments:component/a"]),
            one=registry("payments", one.root, ["component/db"]),
        )
    )
    assert "dependency-cycle" in text
