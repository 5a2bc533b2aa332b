"""What somebody meets who uses ureg for the first time: help, the wrong folder, habits from Terraform."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from manifests import component
from repository import Repository

COMMANDS = [
    "init",
    "validate",
    "plan",
    "apply",
    "destroy",
    "watch",
    "show",
    "get",
    "graph",
    "state",
    "import",
    "diff",
    "rollback",
    "runs",
    "history",
    "events",
    "lock",
    "force-unlock",
    "fmt",
    "schema",
    "completion",
    "version",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_whole_sentences_within_eighty_columns(repository: Repository, command: str) -> None:
    text = repository.ureg(command, "-help")
    assert text.startswith(f"Usage: ureg {command}")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "..." not in text.partition("Commands:")[2]


def test_help_of_a_flag_says_what_the_flag_as_it_is_shown_does(repository: Repository) -> None:
    text = re.sub(r"\s+", " ", repository.ureg("apply", "-help"))
    assert "-refresh=false Do not look at" in text
    assert "-lock=false Do not hold" in text
    assert "-input=false Never ask" in text
    assert "-override-guard GUARD Apply although the plan passes this guard (deletes)." in text


def test_help_lists_settings_apart(repository: Repository) -> None:
    own, _, settings = repository.ureg("plan", "-help").partition("Settings")
    assert "-out FILE" in own
    assert "-parallelism VALUE" not in own
    assert "-parallelism VALUE" in settings


def test_help_shows_one_dash_everywhere(repository: Repository) -> None:
    for args in ((), ("state",), ("state", "mv"), ("plan",)):
        assert "--" not in repository.ureg(*args, "--help")
        assert "-help" in repository.ureg(*args, "-help")
    assert "-chdir DIR" in repository.ureg("-help")


def test_help_names_the_defaults_of_the_settings(repository: Repository) -> None:
    text = re.sub(r"\s+", " ", repository.ureg("plan", "-help"))
    assert "Folder of the manifests. [registry.d]" in text
    assert "stop an apply. [20]" in text


def test_help_names_no_argument_among_the_options(repository: Repository) -> None:
    assert "Options:\n  -lock=false" in repository.ureg("state", "mv", "-help")


OUTSIDE = ["..", "../other", "a/../../b", "/etc", "a//b", ".", "~", "a\nb", "*"]


@pytest.mark.parametrize("setting", ["registry", "schemas", "output"])
def test_a_folder_outside_of_the_registry_is_refused_wherever_it_is_set(repository: Repository, setting: str) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    for folder in OUTSIDE:
        variable = f"UREG_{setting.upper()}"
        assert f"-{setting} cannot be" in repository.refused("plan", f"-{setting}={folder}")
        assert f"{variable} cannot be" in repository.refused("plan", **{variable: folder})


def test_a_folder_inside_may_end_with_a_slash_and_the_state_may_be_anywhere(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    elsewhere = repository.root.parent / "elsewhere/state.db"
    elsewhere.parent.mkdir()
    repository.ureg("apply", "-auto-approve", "-registry=registry.d/", f"-state={elsewhere}")
    assert elsewhere.is_file()
    assert not (repository.root / ".ureg/state.db").exists()


@pytest.mark.parametrize("command", ["plan", "apply", "destroy", "validate", "graph", "fmt"])
def test_a_folder_without_a_registry_is_an_error_and_stays_empty(tmp_path: Path, command: str) -> None:
    nothing = Repository(tmp_path / "empty", tmp_path / "cache")
    nothing.root.mkdir()
    err = nothing.refused(command)
    assert "There is no registry in this folder" in err
    assert "`ureg init`" in err
    assert list(nothing.root.iterdir()) == []


def test_in_a_folder_below_a_registry_the_way_up_is_named(repository: Repository) -> None:
    repository.write("ureg.yaml", "parallelism: 2\n")
    below = Repository(repository.root / "docs/deep", repository.root.parent / "cache")
    below.root.mkdir(parents=True)
    assert "ureg -chdir=../.." in below.refused("plan")


def test_a_registry_folder_that_is_misspelt_is_warned_of(repository: Repository) -> None:
    repository.write("ureg.yaml", "registry: registery.d\n")
    done = repository.run("validate")
    assert done.returncode == 0
    assert "registery.d, does not exist" in done.stderr


def test_validate_json_is_one_document_even_where_the_settings_are_wrong(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    for flags in (["-parallelism=none"], ["-registry=../.."], ["-schemas=registry.d", "-registry=absent"]):
        done = repository.run("validate", "-json", *flags)
        document = json.loads(done.stdout)
        assert (done.returncode, document["valid"]) == ((0, True) if "absent" in flags[-1] else (1, False))
        assert done.stderr == ""


def test_what_a_dangling_reference_misses_is_not_called_the_place_of_the_error(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a", depends_on=["component/b"]))
    err = repository.refused("validate")
    assert "component/a refers to component/b, which does not exist" in err
    assert "in component/b" not in err


def test_a_file_that_fmt_cannot_take_is_a_warning(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "a: [1,\n  2, # two\n  3]\n")
    done = repository.run("fmt", "-check")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Warning: A file cannot be formatted without losing its comment" in done.stderr
