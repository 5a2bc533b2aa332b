"""What somebody meets who uses ureg for the first time: help, the wrong folder, habits from Terraform."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from manifests import component
from repository import ROOT, Repository

import cli

COMMANDS = [row.name for row in cli.COMMANDS]


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
    for args in ((), ("state", "mv"), *((command,) for command in COMMANDS)):
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


@pytest.mark.parametrize(
    "command",
    ["plan", "apply", "destroy", "validate", "graph", "fmt", "get", "show", "state list", "runs list", "events list",
     "lock show", "history a/b", "rollback -to=HEAD", "diff -from=HEAD", "state pull"],
)  # fmt: skip
def test_a_folder_without_a_registry_is_an_error_and_stays_empty(tmp_path: Path, command: str) -> None:
    nothing = Repository(tmp_path / "empty", tmp_path / "cache")
    nothing.root.mkdir()
    err = nothing.refused(*command.split())
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


def test_the_kinds_can_be_read_about_in_any_folder(tmp_path: Path) -> None:
    nothing = Repository(tmp_path, tmp_path / "cache")
    assert "Component" in nothing.ureg("schema")


@pytest.mark.parametrize("folder", ["registry.d", "schemas"])
def test_a_file_in_a_folder_s_place_is_not_taken_for_an_empty_folder(repository: Repository, folder: str) -> None:
    repository.write("ureg.yaml", "")
    repository.write(folder, "")
    for command in ("plan", "validate", "get"):
        assert f"{folder} is not a folder" in repository.refused(command)


def test_settings_that_cannot_be_read_are_not_taken_for_none(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    (repository.root / "ureg.yaml").mkdir()
    assert "ureg.yaml is not a regular file" in repository.refused("plan")
    (repository.root / "ureg.yaml").rmdir()
    (repository.root / "ureg.yaml").symlink_to("/etc/hostname")
    assert "ureg.yaml is a symbolic link" in repository.refused("plan")


WRONG = {
    "paln": "There is no command 'paln'. Did you mean 'plan'?",
    "help": "There is no command 'help'",
    "plan -oot=x": "No such option '-oot'. (Did you mean one of: '-out', '-output'?)",
    "apply -auto-aprove": "'-auto-approve=false'",
    "plan -out": "Option '-out' requires an argument",
    "plan -lock=maybe": "Option '-lock' takes no value but true and false",
    "plan -lock-timeout=5": "Invalid value for '-lock-timeout': '5' is not a duration (like 30s, 5m or 1h30m)",
    "completion fis": "'fis' is not one of 'bash', 'zsh', 'fish'",
    "-chdir=/nope plan": "-chdir: /nope: No such file or directory",
    "state mv a": "Missing argument 'TARGET'",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_is_told_in_the_words_that_were_typed(repository: Repository, line: str) -> None:
    err = re.sub(r"\s+", " ", repository.refused(*line.split()))
    assert WRONG[line] in err
    assert "--" not in err
    assert "-help` tells more." in err


def test_help_can_be_read_on_a_narrow_terminal(repository: Repository) -> None:
    lines = repository.ureg("plan", "-help", COLUMNS="40").splitlines()
    words = " ".join(line.strip() for line in lines)
    assert "Deletes of more than this share of what is recorded stop an apply. [20]" in words


def test_init_without_git_says_so(tmp_path: Path) -> None:
    nothing = Repository(tmp_path / "empty", tmp_path / "cache")
    nothing.root.mkdir()
    err = nothing.refused("init", PATH=str(tmp_path))
    assert "git cannot be run" in err
    assert "Install git" in err


def test_fmt_names_a_file_that_cannot_be_written_and_goes_on(repository: Repository) -> None:
    untidy = component("a").replace("kind: ", "kind:   ")
    repository.write("registry.d/large.yaml", untidy + "# more than the limit lets anybody write\n" * 4000)
    repository.write("registry.d/small.yaml", untidy)
    limited = ["sh", "-c", 'ulimit -f 64; exec "$@"', "sh", sys.executable, str(ROOT / "cli.py"), "fmt"]
    environment = {**repository.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        limited, cwd=repository.root, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert "large.yaml cannot be written" in re.sub(r"[\s│]+", " ", done.stderr)
    assert "Traceback" not in done.stderr
    assert "kind:   Component" in (repository.root / "registry.d/large.yaml").read_text()
    assert "kind: Component" in (repository.root / "registry.d/small.yaml").read_text()


def test_closed_streams_are_no_bug(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, str(ROOT / "cli.py"), "plan"]
        done = subprocess.run(
            command, cwd=repository.root, env=repository.environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
