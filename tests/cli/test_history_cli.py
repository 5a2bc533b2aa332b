"""`ureg diff` and `ureg rollback` on a real repository with a history."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest
from manifests import component
from repository import ROOT, Repository


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Three commits, tagged v1 to v3, each applied: one added, one changed, one removed."""
    root = tmp_path_factory.mktemp("history")
    repository = Repository(root, root.parent / "history-cache")
    repository.git("init", "-q", "-b", "main")
    repository.write(".gitignore", ".ureg/\n")
    for version, files in {
        "v1": {"a": component("a"), "b": component("b")},
        "v2": {"a": component("a", owner="you"), "b": component("b"), "c": component("c")},
        "v3": {"a": component("a", owner="you"), "c": component("c", state="disabled")},
    }.items():
        for path in repository.root.glob("registry.d/*.yaml"):
            path.unlink()
        for name, text in files.items():
            repository.write(f"registry.d/{name}.yaml", text)
        repository.commit(version)
        repository.git("tag", version)
        repository.ureg("apply", "-auto-approve")
    return repository


@pytest.fixture
def history(template: Repository, tmp_path: Path) -> Repository:
    """A copy of the template, and a user that git knows."""
    copy = Repository(copytree(template.root, tmp_path / "repository"), tmp_path / "cache")
    copy.environment["GIT_CONFIG_GLOBAL"] = str(tmp_path / "gitconfig")
    (tmp_path / "gitconfig").write_text("[user]\nname = Grace\nemail = grace@example.org\n")
    return copy


def test_diff_between_commits_is_what_a_plan_would_be(history: Repository) -> None:
    out = history.ureg("diff", "-from", "v1", "-to", "v2")
    assert "Plan: 1 to add, 1 to change, 0 to destroy." in out
    assert '"me" -> "you"' in out
    assert "Plan: 1 to add, 1 to change, 1 to destroy." in history.ureg("diff", "-from=v3", "-to=v1")
    commit = history.git("rev-parse", "v2")
    assert history.ureg("diff", "-from", commit[:10], "-to", "main") == history.ureg("diff", "-from=v2", "-to=v3")


def test_diff_with_the_state_and_the_work_tree(history: Repository) -> None:
    assert "No changes. state and worktree ask for the same." in history.ureg("diff")
    assert "Plan: 1 to add, 1 to change, 0 to destroy." in history.ureg("diff", "-to=v2")
    assert "Plan: 0 to add, 1 to change, 1 to destroy." in history.ureg("diff", "-from=v2", "-to=state")
    history.write("registry.d/new.yaml", component("new"))
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in history.ureg("diff", "-from=HEAD")
    assert "Plan: 0 to add, 0 to change, 1 to destroy." in history.ureg("diff", "-from=worktree", "-to=state")
    assert history.git("status", "--porcelain") == "?? registry.d/new.yaml"


def test_diff_tells_changes_by_its_exit_code_and_as_json(history: Repository) -> None:
    history.ureg("diff", "-from=v1", "-to=v1", "-detailed-exitcode")
    history.ureg("diff", "-from=v1", "-to=v2", "-detailed-exitcode", code=2)
    shown = json.loads(history.ureg("diff", "-from=v1", "-to=v2", "-json"))
    actions = {change["address"]: change["change"]["actions"] for change in shown["resource_changes"]}
    assert (actions["component/a"], actions["component/c"]) == (["update"], ["create"])


def test_diff_leaves_the_work_trees_cache_alone(history: Repository) -> None:
    cache = history.root.parent / "cache"
    history.ureg("plan")
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    history.ureg("diff", "-from=v1", "-to=v2")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


@pytest.mark.parametrize("word", ["nothing", "--upload-pack=touch x", "v1..v2", "HEAD:registry.d"])
def test_diff_of_what_is_no_commit(history: Repository, word: str) -> None:
    assert "names no commit here" in history.refused("diff", f"-from={word}")


def test_diff_of_a_commit_that_is_not_valid(history: Repository) -> None:
    history.write("registry.d/bad.yaml", "kind: [\n")
    history.commit()
    (history.root / "registry.d/bad.yaml").unlink()
    err = history.refused("diff", "-from=HEAD")
    assert "registry.d/bad.yaml" in err
    assert "not valid at HEAD" in err


def test_each_side_is_read_with_its_own_settings_and_schemas(history: Repository) -> None:
    for path in history.root.glob("registry.d/*.yaml"):
        history.write(f"manifests/{path.name}", path.read_text())
        path.unlink()
    history.write("ureg.yaml", "registry: manifests\n")
    schema = json.loads((ROOT / "schemas/component.schema.json").read_text())
    schema["x-ureg"] |= {"kind": "Part", "plural": "parts", "aliases": []}
    schema["$id"] = "part.schema.json"
    schema["properties"]["kind"] = {"description": "The kind.", "const": "Part"}
    history.write("schemas/part.schema.json", json.dumps(schema))
    history.write("manifests/p.yaml", component("p").replace("kind: Component", "kind: Part"))
    history.commit()
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in history.ureg("diff", "-from=v3", "-to=HEAD")
    assert "Plan: 0 to add, 0 to change, 1 to destroy." in history.ureg("diff", "-from=HEAD", "-to=v3")


def test_rollback_makes_a_commit_and_shows_the_plan(history: Repository) -> None:
    v1, v3 = history.git("rev-parse", "v1"), history.git("rev-parse", "v3")
    out = history.ureg("rollback", "-to=v1")
    assert f"as it was at {v1[:12]}" in out
    assert "Plan: 1 to add, 1 to change, 1 to destroy." in out
    assert "Nothing is applied yet" in out
    assert history.git("log", "-1", "--format=%P %an %s") == f"{v3} Grace Roll back to {v1[:12]}"
    assert history.git("diff", "--name-only", "v1", "HEAD") == ""
    assert history.git("status", "--porcelain") == ""
    assert history.ureg("state", "list") == "component/a\ncomponent/c\n"


def test_rollback_applies_when_told_to_and_history_goes_on(history: Repository) -> None:
    out = history.ureg("rollback", "-to=v1", "-auto-approve")
    assert "Apply complete! Resources: 1 added, 1 changed, 1 destroyed." in out
    assert "No changes." in history.ureg("plan")
    assert "ask for the same" in history.ureg("diff", "-to=v1")
    assert "nothing to roll back" in history.ureg("rollback", "-to=v1", "-auto-approve")
    history.ureg("rollback", "-to=v3", "-auto-approve")
    assert "ask for the same" in history.ureg("diff", "-to=v3")


def test_rollback_to_a_serial(history: Repository) -> None:
    serial = json.loads(history.ureg("state", "pull"))["serial"]
    runs = json.loads(history.ureg("runs", "list", "-json"))["runs"]
    assert len(runs) == 3
    assert "never had the serial" in history.refused("rollback", f"-to={serial + 1}")
    assert "No commit had been applied" in history.refused("rollback", "-to=0")
    out = history.ureg("rollback", "-to=1")
    assert f"as it was at {history.git('rev-parse', 'v1')[:12]}" in out
    out = history.ureg("rollback", f"-to={serial}")
    assert f"as it was at {history.git('rev-parse', 'v3')[:12]}" in out
    history.git("tag", "1", "v3")
    history.git("tag", "77777", "v2")
    for digits, version in (("1", "v1"), ("77777", "v2")):  # a serial, if the state had it
        out = history.ureg("rollback", f"-to={digits}")
        assert f"as it was at {history.git('rev-parse', version)[:12]}" in out


def test_rollback_touches_nothing_else(history: Repository) -> None:
    history.write("README", "new\n")
    history.commit()
    history.write("README", "newer\n")
    history.ureg("rollback", "-to=v1")
    assert history.git("show", "HEAD:README") == "new"
    assert (history.root / "README").read_text() == "newer\n"


def test_rollback_refuses_what_it_would_lose(history: Repository) -> None:
    history.write("registry.d/mine.yaml", component("mine"))
    err = history.refused("rollback", "-to=v1")
    assert "not committed" in err
    assert "registry.d/mine.yaml" in err
    (history.root / "registry.d/mine.yaml").unlink()
    history.git("checkout", "-q", "--detach")
    assert "No branch is checked out" in history.refused("rollback", "-to=v1")
    assert "names no commit here" in history.refused("rollback", "-to=elsewhere")


def test_rollback_to_what_is_not_valid_changes_nothing(history: Repository) -> None:
    history.write("registry.d/bad.yaml", "kind: [\n")
    bad = history.commit()
    (history.root / "registry.d/bad.yaml").unlink()
    head = history.commit()
    err = history.refused("rollback", f"-to={bad}")
    assert f"not valid at {bad[:12]}" in err
    assert history.git("rev-parse", "HEAD") == head


def test_rollback_brings_settings_schemas_and_plain_files_back(history: Repository) -> None:
    schema = json.loads((ROOT / "schemas/component.schema.json").read_text())
    schema["$id"] = "software.schema.json"
    schema["x-ureg"] = {"kind": "Software", "plural": "software", "driver": "record", "files": "software/*.yml"}
    schema["properties"] = {"licence": {"description": "Its licence.", "type": "string"}}
    schema.pop("required", None)
    history.write("schemas/software.schema.json", json.dumps(schema))
    history.write("software/x.yml", "licence: MIT\n")
    history.write("ureg.yaml", "parallelism: 2\n")
    history.ureg("validate")
    first = history.commit()
    history.ureg("apply", "-auto-approve")
    history.write("software/x.yml", "licence: GPL\n")
    history.write("ureg.yaml", "parallelism: 3\n")
    history.write("software/y.yml", "licence: MIT\n")
    history.commit()
    history.ureg("apply", "-auto-approve")
    assert "Plan: 0 to add, 1 to change, 1 to destroy." in history.ureg("rollback", f"-to={first}")
    assert history.git("diff", "--name-only", first, "HEAD") == ""


def test_a_rollback_is_streamed_as_messages(history: Repository) -> None:
    lines = [json.loads(line) for line in history.ureg("rollback", "-to=v1", "-auto-approve", "-json").splitlines()]
    assert lines[-1]["type"] == "change_summary"
