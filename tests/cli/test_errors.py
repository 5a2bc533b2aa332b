"""What a user sees of bad input: everything at once, each at its place, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from manifests import component
from repository import Repository


def test_every_error_of_every_file_in_one_run(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a").replace("owner", "onwer"))
    repository.write("registry.d/b.yaml", component("b", depends_on=["component/missing"]))
    repository.write("registry.d/c.yaml", "apiVersion: ureg/v1\nkind: Componant\nmetadata: {name: c}\nspec: {}\n")
    repository.write("registry.d/d.yaml", "a: [1\n")
    repository.write("registry.d/e.yaml", component("e") + "---\n" + component("e"))
    err = repository.refused("validate")
    for place in ("a.yaml:7:3", "b.yaml:5:15", "c.yaml:2:7", "d.yaml:1:4", "e.yaml"):
        assert f"registry.d/{place}" in err, place
    assert "owner" in err
    assert 'Did you mean "Component"?' in err or "Component" in err
    assert "^" in err


def test_validate_json_is_terraforms(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    assert json.loads(repository.ureg("validate", "-json"))["valid"] is True
    repository.write("registry.d/a.yaml", component("a", state="asleep"))
    shown = json.loads(repository.ureg("validate", "-json", code=1))
    (finding,) = shown["diagnostics"]
    assert (shown["valid"], shown["error_count"], finding["severity"]) == (False, 1, "error")
    assert finding["range"]["filename"] == "registry.d/a.yaml"
    assert finding["range"]["start"]["line"] == 5


def test_a_cycle_is_shown_as_its_path(repository: Repository) -> None:
    for name, needs in (("a", "b"), ("b", "c"), ("c", "a")):
        repository.write(f"registry.d/{name}.yaml", component(name, depends_on=[f"component/{needs}"]))
    err = repository.refused("plan")
    assert "component/a -> component/b -> component/c -> component/a" in err
    for name in "abc":
        assert f"registry.d/{name}.yaml:5:15" in err


def test_a_link_out_of_the_root_is_refused_unread(repository: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("secret: hunter2\n")
    (repository.root / "registry.d").mkdir()
    (repository.root / "registry.d/link.yaml").symlink_to(outside)
    err = repository.refused("plan")
    assert "registry.d/link.yaml" in err
    assert "link" in err
    assert "hunter2" not in err
    repository.commit()
    assert "link" in repository.refused("plan")


HOSTILE = {
    "deep": b"[" * 60_000,
    "nul": b'a: "\\0"\n',
    "latin": b"a: \xe9\n",
    "bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)),
    "tag": b"a: !!python/object/apply:os.system [id]\n",
    "duplicate": b"a: 1\na: 2\n",
    "large": b"a: " + b"x" * (1 << 20),
    "control": b"a: \x1b[2J\n",
    "list": b"- 1\n- 2\n",
    "scalar": b"just text\n",
    "nan": b"a: .nan\n",
    "merge": b"a: &x {b: 1}\nc:\n  <<: *x\n",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_yaml_is_a_clear_error(repository: Repository, name: str) -> None:
    path = repository.write("registry.d/bad.yaml", "")
    path.write_bytes(HOSTILE[name])
    repository.write("registry.d/good.yaml", component("good", state="asleep"))
    err = repository.refused("plan")
    assert "registry.d/bad.yaml" in err
    assert "registry.d/good.yaml:5" in err
    assert "\x1b" not in err


def test_names_and_values_cannot_write_to_the_terminal(repository: Repository) -> None:
    text = component("a", owner='"\\e]0;x\\a\\u202e::error::"')
    repository.write("registry.d/a.yaml", text)
    out = repository.run("plan").stdout + repository.run("plan").stderr
    assert not any(character in out for character in "\x1b\x07\u202e")


def test_a_broken_kind_is_an_error_at_its_place(repository: Repository) -> None:
    schema = {
        "$id": "thing.schema.json",
        "x-ureg": {
            "kind": "Thing",
            "plural": "things",
            "driver": "record",
            "lifecycle": {
                "states": ["on", "lost"],
                "default": "on",
                "verbs": {"create": {"from": "absent", "to": "onn"}, "delete": {"from": "on", "to": "absent"}},
            },
        },
        "type": "object",
    }
    repository.write("schemas/thing.schema.json", json.dumps(schema, indent=2))
    err = repository.refused("plan")
    assert "schemas/thing.schema.json:" in err
    assert "onn" in err


def test_no_repository_and_no_manifests_are_fine(repository: Repository) -> None:
    repository.write("ureg.yaml", "")
    assert "No changes." in repository.ureg("plan")
    (repository.root / ".git").rename(repository.root.parent / "moved")
    assert "No changes." in repository.ureg("plan")


def test_an_unknown_command_says_which_was_meant(repository: Repository) -> None:
    assert "plan" in repository.refused("paln")


def test_a_closed_pipe_is_no_failure_to_report(repository: Repository) -> None:
    for number in range(200):
        repository.write(f"registry.d/c{number}.yaml", component(f"c{number}"))
    process = repository.start("plan")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(20)
    process.stderr.close()
    assert process.stdin is not None
    process.stdin.close()
