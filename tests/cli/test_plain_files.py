"""A plain-file kind on a real catalogue: 1,567 licences that nobody here wrote, and one schema file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus.catalogue import LICENCES, SCHEMA, kept, yaml_files
from repository import Repository

__all__ = ["kept"]

COUNT = 1567
MISTAKES = {
    ("data/dropbear.yml", 8, '"minimum_coverage" must be at most 100, not 680.'),
    ("data/ecos.yml", 16, 'The key "notes" stands twice in this mapping'),
    ("data/gpl-2.0-plus-openssl.yml", 10, 'The key "notes" stands twice in this mapping'),
    ("data/lgpl-2.1-spell-checker.yml", 23, 'The key "notes" stands twice in this mapping'),
}
"""What is wrong in the catalogue as it was published: its file, line and what is said about it."""

BOX = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "box.schema.json",
    "description": "A box.",
    "x-ureg": {"kind": "Box", "plural": "boxes", "driver": "record", "files": "boxes/*.yml"},
    "type": "object",
    "properties": {
        "lid": {"description": "The box on top.", "type": "string", "x-references": ["Box"]},
        "token": {"description": "What opens it.", "$ref": "common.schema.json#/$defs/secretRef", "x-sensitive": True},
        "ports": {
            "description": "Where it is reached.",
            "type": "array",
            "x-key": "name",
            "items": {"description": "One of them.", "type": "object"},
        },
    },
}


@pytest.fixture
def catalogue(repository: Repository, kept: Path) -> Repository:
    """The catalogue as it was published, in a repository with one schema file besides."""
    repository.write("schemas/licence.schema.json", SCHEMA.read_text(encoding="utf-8"))
    (repository.root / "data").mkdir()
    for name, data in yaml_files(kept, LICENCES):
        (repository.root / "data" / name).write_bytes(data)
    repository.commit()
    return repository


def test_its_mistakes_are_found_and_nothing_else(catalogue: Repository) -> None:
    verdict = json.loads(catalogue.ureg("validate", "-json", code=1))
    assert {_fact(diagnostic) for diagnostic in verdict["diagnostics"]} == MISTAKES
    assert verdict["error_count"] == len(MISTAKES)
    assert "4 errors" in catalogue.refused("plan")
    assert not (catalogue.root / ".ureg/state.db").exists()


def test_it_is_planned_applied_and_kept_true(catalogue: Repository) -> None:
    _mend(catalogue)
    assert f"The registry is valid: {COUNT} components." in catalogue.ureg("validate")
    planned = catalogue.ureg("plan", "-detailed-exitcode", code=2)
    assert planned.count("will be created") == COUNT
    assert f"Plan: {COUNT} to add, 0 to change, 0 to destroy." in planned
    assert f"Resources: {COUNT} added, 0 changed, 0 destroyed." in catalogue.ureg("apply", "-auto-approve")
    assert "No changes." in catalogue.ureg("plan", "-detailed-exitcode")

    _replace(catalogue, "mit", "category: Permissive", "category: Copyleft")
    planned = catalogue.ureg("plan", "-detailed-exitcode", code=2)
    assert "licence/mit will be updated in-place\n  # (at data/mit.yml:1)" in planned
    assert '~ category = "Permissive" -> "Copyleft"' in planned
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in planned

    for name in ("zlib", "bsd-new"):
        (catalogue.root / f"data/{name}.yml").unlink()
    assert "Resources: 0 added, 1 changed, 2 destroyed." in catalogue.ureg("apply", "-auto-approve")
    assert "No changes." in catalogue.ureg("plan", "-detailed-exitcode")
    assert len(catalogue.ureg("state", "list").splitlines()) == COUNT - 2


def test_a_licence_that_is_renamed_in_its_file_is_replaced(catalogue: Repository) -> None:
    _mend(catalogue)
    catalogue.ureg("apply", "-auto-approve")
    _replace(catalogue, "mit", "key: mit", "key: mit-expat")
    planned = catalogue.ureg("plan")
    assert '"mit" -> "mit-expat" # forces replacement' in planned
    assert "Plan: 1 to add, 0 to change, 1 to destroy." in planned


def test_the_keywords_of_its_schema_hold(repository: Repository) -> None:
    """x-sensitive, x-key and x-references, where the whole document is the spec."""
    repository.write("schemas/box.schema.json", json.dumps(BOX))
    repository.write(
        "boxes/one.yml",
        "lid: two\ntoken: {secretRef: 'file:/run/hush'}\nports: [{name: a, port: 1}, {name: b, port: 2}]\n",
    )
    repository.write("boxes/two.yml", "ports: []\n")
    first = repository.ureg("apply", "-auto-approve")
    assert "hush" not in first
    assert first.index("box/two: create complete") < first.index("box/one: create...")
    repository.write("boxes/one.yml", "lid: two\nports: [{name: b, port: 2}, {name: a, port: 3}]\n")
    planned = repository.ureg("plan")
    assert "hush" not in planned
    assert "1 -> 3" in planned
    assert "2 -> 3" not in planned


def _fact(diagnostic: dict[str, Any]) -> tuple[str, int, str]:
    place = diagnostic["range"]
    return place["filename"], place["start"]["line"], diagnostic["summary"]


def _mend(catalogue: Repository) -> None:
    """Does what the messages propose: removes the lines that stand twice, and writes the percentage as one."""
    for path, number, _ in MISTAKES:
        lines = (catalogue.root / path).read_text(encoding="utf-8").splitlines(keepends=True)
        lines[number - 1] = lines[number - 1].replace("680", "68") if "680" in lines[number - 1] else ""
        catalogue.write(path, "".join(lines))


def _replace(catalogue: Repository, name: str, old: str, new: str) -> None:
    path = f"data/{name}.yml"
    text = (catalogue.root / path).read_text(encoding="utf-8")
    assert old in text
    catalogue.write(path, text.replace(old, new))
