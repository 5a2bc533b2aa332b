"""`init`, `fmt`, `schema`, `version`, `completion`."""

from __future__ import annotations

import json
from pathlib import Path

from repository import Repository


def test_a_new_registry_plans_clean_at_once(repository: Repository) -> None:
    repository.ureg("init", "fresh")
    fresh = Repository(repository.root / "fresh", repository.root.parent / "cache")
    assert "No changes." in fresh.ureg("plan")
    example = (fresh.root / "registry.d/README.md").read_text().split("```")[1].removeprefix("yaml\n")
    fresh.write("registry.d/components/hello.yaml", example)
    assert "Plan: 1 to add" in fresh.ureg("plan")
    assert fresh.ureg("fmt", "-check") == ""


def test_init_makes_a_repository_and_keeps_what_is_there(tmp_path: Path) -> None:
    bare = Repository(tmp_path, tmp_path / "cache")
    bare.write("ureg.yaml", "parallelism: 3\n")
    assert "kept" in bare.ureg("init")
    assert (tmp_path / ".git").is_dir()
    assert (tmp_path / "ureg.yaml").read_text() == "parallelism: 3\n"
    again = bare.ureg("init").partition("\n\n")[0].splitlines()
    assert all(line.startswith("= ") and line.endswith(" (kept)") for line in again)


def test_a_new_repository_begins_on_the_branch_that_the_workflow_names(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[init]\n\tdefaultBranch = trunk\n")
    bare = Repository(tmp_path, tmp_path / "cache")
    bare.ureg("init", "fresh", GIT_CONFIG_GLOBAL=str(tmp_path / "config"))
    assert "branches: [main]" in (tmp_path / "fresh/.github/workflows/ureg.yml").read_text()
    assert (tmp_path / "fresh/.git/HEAD").read_text() == "ref: refs/heads/main\n"


def test_editors_are_told_which_schema_judges_which_folder(repository: Repository) -> None:
    repository.ureg("init")
    settings = json.loads((repository.root / ".vscode/settings.json").read_text())
    for schema in settings["yaml.schemas"]:
        assert (repository.root / schema).is_file()
    assert settings["yaml.schemas"]["./schemas/service.schema.json"] == "registry.d/services/**/*.yaml"


def test_fmt_names_what_it_changes_and_keeps_comments(repository: Repository) -> None:
    path = repository.write("registry.d/a.yaml", "# why\na:   1 # one\nb:\n- x\n")
    assert repository.ureg("fmt", "-check", code=1) == "registry.d/a.yaml\n"
    assert path.read_text() == "# why\na:   1 # one\nb:\n- x\n"
    assert "+  - x" in repository.ureg("fmt", "-check", "-diff", code=1)
    assert repository.ureg("fmt") == "registry.d/a.yaml\n"
    assert path.read_text() == "# why\na: 1   # one\nb:\n  - x\n"
    assert repository.ureg("fmt", "-check") == ""


def test_fmt_takes_paths_and_reports_broken_files(repository: Repository) -> None:
    repository.write("registry.d/one/a.yaml", "a:   1\n")
    repository.write("registry.d/two/b.yaml", "b:   [\n")
    assert repository.ureg("fmt", "registry.d/one") == "registry.d/one/a.yaml\n"
    assert "registry.d/two/b.yaml:" in repository.refused("fmt")
    assert "no manifest" in repository.refused("fmt", "elsewhere")


def test_schema_lists_kinds_and_prints_one(repository: Repository) -> None:
    listed = repository.ureg("schema")
    for kind in (
        "Plugin",
        "Service",
        "Engine",
        "Component",
        "Registry",
        "Feature",
        "GridNode",
        "Config",
        "Route",
        "Mesh",
    ):
        assert kind in listed
    assert json.loads(repository.ureg("schema", "svc"))["x-ureg"]["kind"] == "Service"
    assert "Did you mean service?" in repository.refused("schema", "servce")


def test_version_and_completion(repository: Repository) -> None:
    assert repository.ureg("version") == repository.ureg("-version")
    assert json.loads(repository.ureg("version", "-json"))["ureg_version"]
    for shell in ("bash", "zsh", "fish"):
        assert "_UREG_COMPLETE" in repository.ureg("completion", shell)


def completions(repository: Repository, line: str) -> list[str]:
    """What a bash offers at the end of `line`."""
    last = str(len(line.split(" ")) - 1)
    offered = repository.ureg(_UREG_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=last)
    return [item.partition(",")[2] for item in offered.splitlines()]


def test_completion_offers_options_as_the_help_shows_them(repository: Repository) -> None:
    assert completions(repository, "ureg heal") == ["health"]
    assert completions(repository, "ureg plan -o") == ["-out", "-output"]
    assert completions(repository, "ureg plan -ref") == ["-refresh-only", "-refresh=false"]
    assert completions(repository, "ureg logs -f") == ["-f", "-follow"]
    assert completions(repository, "ureg -ch") == ["-chdir"]
    assert "--out" in completions(repository, "ureg plan --o")


def test_help_reads_as_it_is_typed(repository: Repository) -> None:
    out = repository.ureg("plan", "-help")
    assert "-detailed-exitcode" in out
    assert "--" not in out
    assert "-refresh=false" in out
