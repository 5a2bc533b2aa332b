"""Real YAML is read as ruamel.yaml reads it, and the idioms that the real files differ in are what YAML 1.2 says."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from corpus.catalogue import LICENCES, RULES, kept, yaml_files
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError

from reconciler.compiler import accelerator, reader
from reconciler.compiler.parse import parse

__all__ = ["kept"]


@pytest.mark.parametrize(("folder", "step", "twice"), [(LICENCES, 1, 3), (RULES, 10, 0)])
def test_a_catalogue_is_read_as_others_read_it(kept: Path, folder: str, step: int, twice: int) -> None:
    other = YAML(typ="safe")
    refused, files = 0, 0
    for name, data in islice(yaml_files(kept, folder), 0, None, step):
        files += 1
        documents, findings = reader.read(name, data)
        try:
            expected = [other.load(data)]
        except DuplicateKeyError:
            refused += 1
            assert {finding.code for finding in findings} == {"yaml-duplicate-key"}, name
            continue
        assert not findings, name
        assert _typed([document.value for document in documents]) == _typed(expected), name
        assert accelerator.read(name, data) in (None, *documents), name
    assert refused == twice
    assert files > 1000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tags: [db, db:create]", ["db", "db:create"]),
        ("links: [http://example.org/a?b=c, second]", ["http://example.org/a?b=c", "second"]),
        ("names: [codec::fast, ::1]", ["codec::fast", "::1"]),
        ("image: {name: nginx:1.25, at: 12:30}", {"name": "nginx:1.25", "at": "12:30"}),
        ("on: [what?, a?b]", ["what?", "a?b"]),
    ],
)
def test_colons_and_question_marks_inside_brackets(text: str, value: Any) -> None:
    """Six of 27,913 files have them: tags of Ansible tasks and names of C++ options."""
    documents, findings = parse("file.yaml", f"{text}\n".encode())
    assert not findings
    assert list(documents[0].value.values()) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("removed: 2024-05-01", "2024-05-01"),
        ("is_exception: yes", "yes"),
        ("version: 1.10", 1.1),
        ("mode: 0644", 644),
        ("window: 1:30", "1:30"),
        ("size: 1_000", "1_000"),
    ],
)
def test_plain_words_are_what_the_core_schema_says(text: str, value: Any) -> None:
    """YAML 1.1 makes dates, booleans, octal numbers and minutes of some of them."""
    documents, _ = parse("file.yaml", f"{text}\n".encode())
    assert _typed(list(documents[0].value.values())) == _typed([value])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: &all {x: 1}\nb:\n  <<: *all\n", "yaml-merge-key"),
        ("password: !vault |\n  6162\n", "yaml-tag"),
        ("True: yes\n", "yaml-key"),
        ("a: 1\na: 2\n", "yaml-duplicate-key"),
    ],
)
def test_what_real_files_hold_and_json_cannot_is_refused(text: str, code: str) -> None:
    documents, findings = parse("file.yaml", text.encode())
    assert not documents
    assert [finding.code for finding in findings] == [code]


def _typed(value: Any) -> Any:
    """`value` with its types, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return type(value), value
