"""Sub-registries through the real command line: planned, applied, moved, switched off, and gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from families import made, registry, settings
from manifests import component
from repository import Repository

MANIFEST = "registry.d/payments.yaml"


@pytest.fixture
def child(tmp_path: Path) -> Repository:
    files = {"base": component("base"), "top": component("top", depends_on=["component/base", "component/shared"])}
    return made(tmp_path, "child", {f"registry.d/{name}.yaml": text for name, text in files.items()})


@pytest.fixture
def parent(repository: Repository, child: Repository, tmp_path: Path) -> Repository:
    repository.write("ureg.yaml", settings(tmp_path))
    repository.write(MANIFEST, registry("payments", child.root, ["component/shared"]))
    repository.write("registry.d/own.yaml", component("shared"))
    repository.write("registry.d/user.yaml", component("user", depends_on=["payments:component/top"]))
    repository.commit()
    return repository


@pytest.fixture
def applied(parent: Repository) -> Repository:
    parent.ureg("apply", "-auto-approve")
    return parent


def moved(child: Repository) -> str:
    """A commit that brings one component more and takes none away."""
    child.write("registry.d/more.yaml", component("more"))
    return child.commit("more")


def mirrors(parent: Repository) -> list[Path]:
    return list(Path(parent.environment["XDG_CACHE_HOME"]).glob("ureg/*/registries/*/owner"))


def test_its_components_are_planned_and_applied_with_ours(parent: Repository, child: Repository) -> None:
    commit = child.git("rev-parse", "HEAD")[:12]
    plan = parent.ureg("plan")
    assert "Plan: 5 to add" in plan
    assert f"# (at payments@{commit}:registry.d/top.yaml:1)" in plan
    assert f"Sub-registries are pinned to these commits:\n  payments  {commit}  main of {child.root}\n" in plan
    out = parent.ureg("apply", "-auto-approve")
    order = [out.index(f"{address}: add complete") for address in (
        "component/shared", "registry/payments", "payments:component/base", "payments:component/top", "component/user"
    )]  # fmt: skip
    assert order == sorted(order)
    assert "No changes." in parent.ureg("plan", "-detailed-exitcode")
    assert "No changes." in parent.ureg("plan", "-refresh=false", "-detailed-exitcode")
    assert "The registry is valid: 5 components." in parent.ureg("validate")
    facts = json.loads(parent.ureg("get", "registry/payments", "-o", "json"))
    assert child.git("rev-parse", "HEAD") in json.dumps(facts)


def test_a_branch_that_moved_is_seen_at_the_next_plan(applied: Repository, child: Repository) -> None:
    before, after = child.git("rev-parse", "HEAD"), moved(child)
    assert "No changes." in applied.ureg("plan", "-refresh=false")
    plan = applied.ureg("plan")
    assert f'commit = "{before}" -> "{after}"' in plan
    assert "# payments:component/more will be created" in plan
    assert "Plan: 1 to add, 1 to change, 0 to destroy." in plan
    assert f"payments  {after[:12]} (was {before[:12]})" in plan
    applied.ureg("apply", "-auto-approve")
    assert "No changes." in applied.ureg("plan")


def test_a_saved_plan_is_applied_at_its_own_commit(applied: Repository, child: Repository, tmp_path: Path) -> None:
    planned = moved(child)
    applied.ureg("plan", f"-out={tmp_path}/plan")
    shown = json.loads(applied.ureg("show", "-json", f"{tmp_path}/plan"))
    assert [pin["commit"] for pin in shown["ureg"]["pins"]] == [planned]
    child.write("registry.d/later.yaml", component("later"))
    child.commit()
    shutil.rmtree(applied.environment["XDG_CACHE_HOME"])
    assert "1 added, 1 changed" in applied.ureg("apply", f"{tmp_path}/plan")
    assert "payments:component/later will be created" in applied.ureg("plan")


def test_a_saved_plan_whose_commit_is_gone_changes_nothing(
    applied: Repository, child: Repository, tmp_path: Path
) -> None:
    planned = moved(child)
    applied.ureg("plan", f"-out={tmp_path}/plan")
    child.git("reset", "-q", "--hard", "HEAD~1")
    child.git("reflog", "expire", "--expire=now", "--all")
    child.git("gc", "-q", "--prune=now")
    shutil.rmtree(applied.environment["XDG_CACHE_HOME"])
    assert f"no longer has the commit {planned[:12]}" in applied.refused("apply", f"{tmp_path}/plan")
    assert "No changes." in applied.ureg("plan")


def test_one_that_is_gone_removes_nothing(applied: Repository, child: Repository) -> None:
    away = child.root.with_name("away")
    child.root.rename(away)
    done = applied.run("plan", "-detailed-exitcode")
    assert done.returncode == 0
    assert "No changes." in done.stdout
    assert "Warning: " in done.stderr
    assert "The plan goes on with the commit" in done.stderr
    shutil.rmtree(applied.environment["XDG_CACHE_HOME"])
    err = applied.refused("apply", "-auto-approve")
    assert "nothing is planned until it can be had" in err
    assert "registry.d/payments.yaml:6:11" in err
    assert "payments:component/top" in applied.ureg("get")
    away.rename(child.root)
    assert "No changes." in applied.ureg("plan")


def test_disabled_means_removed_and_forgotten(applied: Repository, child: Repository, tmp_path: Path) -> None:
    (applied.root / "registry.d/user.yaml").unlink()
    applied.ureg("apply", "-auto-approve")
    assert len(mirrors(applied)) == 1
    applied.write(MANIFEST, registry("payments", child.root, ["component/shared"], state="disabled"))
    assert "0 added, 1 changed, 2 destroyed" in applied.ureg("apply", "-auto-approve")
    assert mirrors(applied) == []
    assert "No changes." in applied.ureg("plan")
    applied.write(MANIFEST, registry("payments", child.root, ["component/shared"]))
    assert "2 added, 1 changed, 0 destroyed" in applied.ureg("apply", "-auto-approve")
    (applied.root / MANIFEST).unlink()
    assert "3 destroyed" in applied.ureg("apply", "-auto-approve")


def test_the_guards_hold_for_what_it_brought(applied: Repository, child: Repository, tmp_path: Path) -> None:
    (applied.root / "registry.d/user.yaml").unlink()
    applied.ureg("apply", "-auto-approve")
    applied.write("ureg.yaml", settings(tmp_path, "guards: {maxDeletes: 1}\n"))
    applied.write(MANIFEST, registry("payments", child.root, ["component/shared"], state="disabled"))
    assert "guard" in applied.refused("apply", "-auto-approve")
    assert "payments:component/top" in applied.ureg("get")
    assert "2 destroyed" in applied.ureg("apply", "-auto-approve", "-override-guard=deletes")


def test_what_is_still_needed_keeps_it_enabled(applied: Repository, child: Repository) -> None:
    applied.write(MANIFEST, registry("payments", child.root, ["component/shared"], state="disabled"))
    err = applied.refused("plan")
    assert "payments:component/top would be deleted, but this depends on it" in err


def test_another_repository_replaces_it(applied: Repository, child: Repository, tmp_path: Path) -> None:
    child.git("clone", "-q", str(child.root), str(tmp_path / "fork"))
    applied.write(MANIFEST, registry("payments", tmp_path / "fork", ["component/shared"]))
    assert "# registry/payments must be replaced" in applied.ureg("plan")
    applied.ureg("apply", "-auto-approve")
    assert "No changes." in applied.ureg("plan")
    (owner,) = mirrors(applied)
    assert "fork" in owner.read_text()


def test_update_moves_the_pin_by_a_commit(applied: Repository, child: Repository) -> None:
    applied.git("config", "user.name", "Grace")
    applied.git("config", "user.email", "grace@example.org")
    before, first = (applied.root / MANIFEST).read_text(), child.git("rev-parse", "HEAD")
    assert f"payments is pinned to {first[:12]}, by the new commit" in applied.ureg("registry", "update", "payments")
    after = (applied.root / MANIFEST).read_text()
    assert after == before.replace("  ref: main", f'  commit: "{first}"\n  ref: main')
    assert applied.git("status", "--porcelain", "--", "registry.d") == ""
    assert applied.git("log", "-1", "--format=%an %s") == f"Grace Update payments to {first[:12]}"
    assert "No changes." in applied.ureg("plan")
    second = moved(child)
    assert "No changes." in applied.ureg("plan")
    applied.ureg("registry", "update", "payments")
    assert (applied.root / MANIFEST).read_text() == after.replace(first, second)
    assert "is pinned to" in applied.ureg("registry", "update", "payments")
    assert "1 added, 1 changed" in applied.ureg("apply", "-auto-approve")


def test_update_refuses_what_it_would_lose(applied: Repository, child: Repository) -> None:
    assert "There is no sub-registry 'nothing'" in applied.refused("registry", "update", "nothing")
    applied.write(MANIFEST, registry("payments", child.root) + "# a note\n")
    assert "There are changes that are not committed" in applied.refused("registry", "update", "payments")
    assert (applied.root / MANIFEST).read_text().endswith("# a note\n")


def test_update_needs_only_its_own_manifest(applied: Repository, child: Repository) -> None:
    applied.write("registry.d/broken.yaml", "kind: [")
    applied.write("registry.d/lost.yaml", registry("lost", child.root.with_name("gone")))
    applied.git("config", "user.name", "Grace")
    applied.git("config", "user.email", "grace@example.org")
    assert "is pinned to" in applied.ureg("registry", "update", "payments")


def test_list_shows_where_each_is(applied: Repository, child: Repository) -> None:
    header, row = applied.ureg("registry", "list").splitlines()
    assert header.split() == ["NAME", "STATE", "REF", "COMMIT", "COMPONENTS", "SOURCE"]
    commit = child.git("rev-parse", "HEAD")[:12]
    assert row.split() == ["payments", "enabled", "main", commit, "2", str(child.root)]
    (applied.root / MANIFEST).unlink()
    (applied.root / "registry.d/user.yaml").unlink()
    assert applied.ureg("registry", "list") == "There are no sub-registries.\n"


@pytest.mark.parametrize("url", ["ext::sh -c touch%20x", "--upload-pack=touch x", "https://ada:secret@example.com/x"])
def test_a_hostile_url_is_refused_with_a_word(parent: Repository, url: str) -> None:
    parent.write(MANIFEST, registry("payments", url))
    err = parent.refused("validate")
    assert "registry.d/payments.yaml:6:" in err
    assert "https or ssh, without a password" in err


def test_a_link_in_the_child_is_an_error_that_shows_nothing(applied: Repository, child: Repository) -> None:
    (child.root / "registry.d/evil.yaml").symlink_to("/etc/passwd")
    child.commit()
    err = applied.refused("plan")
    assert "evil.yaml" in err
    assert "symbolic link" in err
    assert "root:" not in err


def test_diff_between_versions_knows_them(applied: Repository, child: Repository) -> None:
    (applied.root / "registry.d/user.yaml").unlink()
    applied.write(MANIFEST, registry("payments", child.root, ["component/shared"], state="disabled"))
    applied.commit("off")
    out = applied.ureg("diff", "-from=HEAD~1", "-to=HEAD")
    assert "# payments:component/top will be destroyed" in out
