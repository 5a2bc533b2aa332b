"""The main job through the real command line: plan, apply, plan again."""

from __future__ import annotations

import json
import stat

import pytest
from manifests import component
from repository import Repository


@pytest.fixture
def three(repository: Repository) -> Repository:
    """A library, a service-like component on it, and one that stands alone."""
    repository.write("registry.d/components/base.yaml", component("base"))
    repository.write("registry.d/components/top.yaml", component("top", depends_on=["component/base"]))
    repository.write("registry.d/components/alone.yaml", component("alone", state="disabled"))
    repository.commit()
    return repository


def test_plan_then_apply_then_plan_is_empty(three: Repository) -> None:
    assert "Plan: 3 to add, 0 to change, 0 to destroy." in three.ureg("plan")
    applied = three.ureg("apply", "-auto-approve")
    assert "Apply complete! Resources: 3 added, 0 changed, 0 destroyed." in applied
    assert "No changes." in three.ureg("plan", "-detailed-exitcode")


def test_detailed_exitcode_tells_changes_from_errors(three: Repository) -> None:
    three.ureg("plan", "-detailed-exitcode", code=2)
    three.write("registry.d/broken.yaml", "kind: [")
    three.ureg("plan", "-detailed-exitcode", code=1)


def test_single_and_double_dashes_are_the_same(three: Repository) -> None:
    three.ureg("plan", "--detailed-exitcode", code=2)
    three.ureg("plan", "-detailed-exitcode=true", "-refresh=false", code=2)


def test_a_change_is_shown_field_by_field(three: Repository) -> None:
    three.ureg("apply", "-auto-approve")
    three.write("registry.d/components/base.yaml", component("base", owner="you", state="disabled"))
    out = three.ureg("plan")
    assert "component/base" in out
    assert '"me" -> "you"' in out
    assert "enabled -> disabled" in out
    assert "component/top" not in out
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in out
    assert "0 added, 1 changed, 0 destroyed" in three.ureg("apply", "-auto-approve")
    assert "No changes." in three.ureg("plan")


def test_a_removed_manifest_is_a_delete_in_reverse_order(three: Repository) -> None:
    three.ureg("apply", "-auto-approve")
    for name in ("base", "top"):
        (three.root / f"registry.d/components/{name}.yaml").unlink()
    out = three.ureg("apply", "-auto-approve")
    assert "2 destroyed" in out
    assert out.index("component/top") < out.index("component/base")
    assert three.ureg("state", "list") == "component/alone\n"


def test_a_delete_of_something_still_referenced_names_the_referrer(three: Repository) -> None:
    three.ureg("apply", "-auto-approve")
    (three.root / "registry.d/components/base.yaml").unlink()
    err = three.refused("plan")
    assert "component/base" in err
    assert "registry.d/components/top.yaml:5:" in err


def test_only_yes_confirms(three: Repository) -> None:
    for answer in ("y\n", "YES\n", "\n", "no\n"):
        done = three.run("apply", answer=answer)
        assert (done.returncode, "nothing was changed" in done.stdout) == (1, True)
    assert three.ureg("state", "list") == ""
    three.ureg("apply", answer="yes\n")
    assert "No changes." in three.ureg("plan")


def test_without_an_answer_nothing_is_applied(three: Repository) -> None:
    assert "-auto-approve" in three.refused("apply")
    assert "-auto-approve" in three.refused("apply", "-input=false", answer="yes\n")


def test_a_saved_plan_is_applied_without_asking_and_only_once(three: Repository) -> None:
    three.ureg("plan", "-out=plan.bin")
    assert stat.S_IMODE((three.root / "plan.bin").stat().st_mode) == 0o600
    assert "3 added" in three.ureg("apply", "plan.bin")
    assert "stale" in three.refused("apply", "plan.bin")


@pytest.mark.parametrize("what", ["manifest", "schema", "state"])
def test_a_stale_plan_is_refused_with_what_moved(three: Repository, what: str) -> None:
    three.ureg("plan", "-out=plan.bin")
    if what == "manifest":
        three.write("registry.d/components/new.yaml", component("new"))
    elif what == "schema":
        three.write("schemas/thing.schema.json", THING)
    else:
        three.ureg("apply", "-auto-approve", "-target=component/alone")
    err = three.refused("apply", "plan.bin")
    assert {"manifest": "manifests changed", "schema": "schemas changed", "state": "serial"}[what] in err


def test_a_damaged_plan_is_refused(three: Repository) -> None:
    three.ureg("plan", "-out=plan.bin")
    whole = (three.root / "plan.bin").read_bytes()
    for damaged in (b"", b"{}", whole[:-20], whole.replace(b"component/alone", b"component/along")):
        (three.root / "plan.bin").write_bytes(damaged)
        assert "plan" in three.refused("apply", "plan.bin")


def test_target_and_exclude(three: Repository) -> None:
    assert "Plan: 2 to add" in three.ureg("plan", "-target=component/top")
    assert "Plan: 1 to add" in three.ureg("plan", "-exclude=component/base")
    assert "component/to" in three.refused("plan", "-target=component/to")
    three.ureg("apply", "-auto-approve", "-target", "component/top")
    assert three.ureg("state", "list") == "component/base\ncomponent/top\n"


def test_replace_is_shown_and_counted_on_both_sides(three: Repository) -> None:
    three.ureg("apply", "-auto-approve")
    out = three.ureg("plan", "-replace=component/alone")
    assert "Plan: 1 to add, 0 to change, 1 to destroy." in out
    assert "1 added, 0 changed, 1 destroyed" in three.ureg("apply", "-auto-approve", "-replace=component/alone")


def test_destroy_asks_and_removes_everything(three: Repository) -> None:
    three.ureg("apply", "-auto-approve")
    assert "nothing was changed" in three.ureg("destroy", answer="no\n", code=1)
    out = three.ureg("destroy", answer="yes\n")
    assert "Destroy complete! Resources: 3 destroyed." in out
    assert three.ureg("state", "list") == ""


def test_a_shrunken_desired_side_is_no_massacre(repository: Repository) -> None:
    for number in range(12):
        repository.write(f"registry.d/c{number}.yaml", component(f"c{number}"))
    repository.ureg("apply", "-auto-approve")
    for number in range(12):
        (repository.root / f"registry.d/c{number}.yaml").unlink()
    assert "Plan: 0 to add, 0 to change, 12 to destroy." in repository.ureg("plan")
    assert "-override-guard" in repository.refused("apply", "-auto-approve")
    assert len(repository.ureg("state", "list").splitlines()) == 12
    assert "12 destroyed" in repository.ureg("apply", "-auto-approve", "-override-guard", "deletes")


def test_flags_that_exclude_each_other_are_refused(three: Repository) -> None:
    assert "exclude each other" in three.refused("plan", "-destroy", "-refresh-only")
    assert "exclude each other" in three.refused("plan", "-refresh-only", "-refresh=false")
    assert "No such option" in three.refused("plan", "-detailed-exit")


def test_the_json_plan_is_terraforms(three: Repository) -> None:
    commit = three.commit()
    three.ureg("plan", "-out=plan.bin")
    shown = json.loads(three.ureg("show", "-json", "plan.bin"))
    assert shown["format_version"] == "1.2"
    changes = {change["address"]: change["change"]["actions"] for change in shown["resource_changes"]}
    assert changes == {f"component/{name}": ["create"] for name in ("alone", "base", "top")}
    assert (shown["applyable"], shown["complete"], shown["errored"]) == (True, True, False)
    assert shown["ureg"]["commit"] == commit
    assert "Plan: 3 to add" in three.ureg("show", "plan.bin")


def test_streamed_messages_are_json_lines(three: Repository) -> None:
    lines = [json.loads(line) for line in three.ureg("apply", "-json", "-auto-approve").splitlines()]
    types = [line["type"] for line in lines]
    assert types[0] == "version"
    assert types.count("planned_change") == 3
    assert types.count("apply_complete") == 3
    assert types[-1] == "change_summary"
    three.write("registry.d/bad.yaml", component("bad", state="sleeping"))
    done = three.run("plan", "-json")
    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["type"], last["@level"]) == (1, "diagnostic", "error")


def test_chdir_works_from_anywhere(three: Repository) -> None:
    inside = Repository(three.root / "registry.d", three.root.parent / "cache")
    assert "Plan: 3 to add" in inside.ureg("-chdir=..", "plan")
    assert "no-such-folder" in inside.refused("-chdir=no-such-folder", "plan")


def test_settings_from_file_environment_and_flags(three: Repository) -> None:
    three.write("ureg.yaml", "registry: manifests\n")
    assert "No changes." in three.ureg("plan")
    assert "Plan: 3 to add" in three.ureg("plan", UREG_REGISTRY="registry.d")
    assert "No changes." in three.ureg("plan", "-registry=elsewhere", UREG_REGISTRY="registry.d")
    assert "whole number" in three.refused("plan", "-parallelism=many")
    three.write("ureg.yaml", "registri: manifests\n")
    err = three.refused("plan")
    assert "ureg.yaml:1:1" in err
    assert "registry" in err


THING = json.dumps(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "thing.schema.json",
        "description": "A thing.",
        "x-ureg": {"kind": "Thing", "plural": "things", "driver": "record"},
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "ureg/v1", "description": "The format."},
            "kind": {"const": "Thing", "description": "The kind."},
            "metadata": {"$ref": "common.schema.json#/$defs/metadata", "description": "Who it is."},
            "state": {"enum": ["present"], "description": "It is there."},
            "spec": {
                "type": "object",
                "description": "What it is.",
                "properties": {"size": {"type": "integer", "description": "How large it is.", "x-immutable": True}},
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    },
    indent=2,
)


def test_a_new_kind_needs_only_a_file(repository: Repository) -> None:
    repository.write("schemas/thing.schema.json", THING)
    thing = "apiVersion: ureg/v1\nkind: Thing\nmetadata: {name: one}\nspec: {size: 1}\n"
    repository.write("registry.d/things/one.yaml", thing)
    assert "Plan: 1 to add" in repository.ureg("plan")
    assert "1 added" in repository.ureg("apply", "-auto-approve")
    assert "No changes." in repository.ureg("plan")
    repository.write("registry.d/things/one.yaml", thing.replace("size: 1", "size: 2"))
    assert "forces replacement" in repository.ureg("plan")
    assert "Thing" in repository.ureg("schema")
    assert "present" in repository.ureg("get", "things", "one")
