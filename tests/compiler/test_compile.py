"""One file becomes resources, and a new kind needs only a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.compiler.assemble import assemble
from reconciler.compiler.compile import MAX_ERRORS, compile_file
from reconciler.compiler.kinds import check_catalogue, load_catalogue
from reconciler.compiler.validate import Validator
from reconciler.model.diagnostics import Diagnostics, Severity
from reconciler.model.resource import Resource, Revision

HERE = Path(__file__).parent
BUILT_IN = {f"schemas/{path.name}": path.read_bytes() for path in (HERE.parents[1] / "schemas").glob("*.json")}
OWN = {f"schemas/{path.name}": path.read_bytes() for path in HERE.glob("*.schema.json")}
CATALOGUE = load_catalogue({**BUILT_IN, **OWN})[0]
VALIDATOR = Validator(CATALOGUE)
GIZMO = CATALOGUE.kinds["gizmo"]
SOUND = "apiVersion: ureg/v1\nkind: Gadget\nmetadata:\n  name: {name}\n"


def manifests(text: str, path: str = "registry.d/a.yaml") -> tuple[tuple[Resource, ...], Diagnostics]:
    return compile_file(path, text.encode(), CATALOGUE, VALIDATOR, None)


def plain(text: str, path: str = "gizmos/a.yml") -> tuple[tuple[Resource, ...], Diagnostics]:
    return compile_file(path, text.encode(), CATALOGUE, VALIDATOR, GIZMO)


def told(found: Diagnostics) -> list[tuple[str, str]]:
    return [(one.code, str(one.location).partition(":")[2]) for one in found]


def test_each_document_is_a_resource() -> None:
    resources, found = manifests(SOUND.format(name="a") + "---\n" + SOUND.format(name="b"))
    assert found == ()
    assert [(one.address, one.document, one.line) for one in resources] == [("gadget/a", 0, 1), ("gadget/b", 1, 6)]


def test_valid_documents_are_kept_beside_wrong_ones() -> None:
    wrong = SOUND.format(name="b") + "state: onn\n"
    resources, found = manifests(
        "---\n".join([SOUND.format(name="a"), wrong, "kind: Gadget\n", SOUND.format(name="c")])
    )
    assert [one.address for one in resources] == ["gadget/a", "gadget/c"]
    assert told(found) == [
        ("schema-enum", "10:8"),
        ("schema-required", "12:1"),
        ("schema-required", "12:1"),
    ]
    assert found[0].address == "gadget/b"


def test_text_that_is_no_yaml_gives_its_errors_only() -> None:
    resources, found = manifests("kind: [\n")
    assert resources == ()
    assert found


@pytest.mark.parametrize("text", ["", "\n", "# to do\n"])
def test_an_empty_file_is_a_warning(text: str) -> None:
    for resources, found in (manifests(text), plain(text)):
        assert resources == ()
        assert [(one.code, one.severity) for one in found] == [("yaml-empty", Severity.WARNING)]


@pytest.mark.parametrize(
    ("text", "expected", "hint"),
    [
        ("- a\n", [("manifest-type", "1:1")], ""),
        ("text\n", [("manifest-type", "1:1")], ""),
        ("apiVersion: ureg/v1\nmetadata: {name: a}\n", [("manifest-kind", "1:1")], "The kinds are Component, "),
        ("apiVersion: ureg/v1\nkind: 5\n", [("manifest-kind", "2:7")], "The kinds are "),
        ("apiVersion: ureg/v1\nkind: Gadgt\n", [("kind-unknown", "2:7")], 'Did you mean "Gadget"?'),
        ("apiVersion: ureg/v1\nkind: gadget\n", [("kind-unknown", "2:7")], 'Did you mean "Gadget"?'),
        ("apiVersion: ureg/v1\nkind: gd\n", [("kind-unknown", "2:7")], 'Did you mean "Gadget"?'),
        ("apiVersion: ureg/v1\nkind: Zzzzzz\n", [("kind-unknown", "2:7")], "The kinds are "),
        ("apiVersion: v1\nkind: Gadgt\n", [("manifest-version", "1:13"), ("kind-unknown", "2:7")], ""),
        ("kind: Gadgt\n", [("manifest-version", "1:1"), ("kind-unknown", "1:7")], "Add apiVersion: ureg/v1."),
        ("apiVersion: ureg/v1\nkind: Gizmo\n", [("kind-plain", "2:7")], ""),
        ("apiVersion: v1\nkind: Gadget\nmetadata: {name: a}\n", [("schema-const", "1:13")], ""),
        (SOUND.format(name="A_b"), [("manifest-name", "4:9")], ""),
        (SOUND.format(name="-b"), [("manifest-name", "4:9")], ""),
        (SOUND.format(name="b" * 64), [("manifest-name", "4:9")], ""),
        (SOUND.format(name="5"), [("schema-type", "4:9")], "quotes"),
        (SOUND.format(name="'a\\n'").replace("'", '"'), [("manifest-name", "4:9")], ""),
        ("apiVersion: ureg/v1\nkind: Gadget\nmetadata: {}\n", [("schema-required", "3:1")], ""),
        (SOUND.format(name="a") + "spec: {friend: x}\n", [("reference-form", "5:16")], "gadget/x"),
        (SOUND.format(name="a") + "spec:\n  parent: gizmo/x\n", [("reference-kind", "6:11")], ""),
    ],
)
def test_each_error_is_told_at_its_place(text: str, expected: list[tuple[str, str]], hint: str) -> None:
    resources, found = manifests(text)
    assert resources == ()
    assert told(found) == expected
    assert hint in found[0].hint


def test_a_secret_on_the_line_of_another_error_is_not_shown() -> None:
    _, found = manifests("{apiVersion: ureg/v1, kind: Gadget, metadata: {name: A}, spec: {token: hunter2}}\n")
    assert [one.code for one in found] == ["manifest-name", "sensitive-value"]
    assert "hunter2" not in repr(found)


def test_a_file_of_errors_is_not_read_to_its_end() -> None:
    _, found = manifests("---\n".join(["kind: Gadgt\n"] * 5000))
    assert MAX_ERRORS <= len(found) <= 2 * MAX_ERRORS
    assert found[-1].code == "too-many-errors"


def test_a_plain_file_is_a_component_named_by_its_stem() -> None:
    resources, found = plain("title: x\ngadget: a\n", "gizmos/easy!appointments.yml")
    assert found == ()
    assert [(one.address, one.dependencies) for one in resources] == [("gizmo/easy!appointments", ("gadget/a",))]


def test_a_plain_file_is_held_against_its_schema() -> None:
    resources, found = plain("titel: x\n", "gizmos/draw.io.yml")
    assert resources == ()
    assert told(found) == [("schema-required", "1:1")]
    assert found[0].address == "gizmo/draw.io"


def test_a_plain_file_holds_one_document() -> None:
    resources, found = plain("title: x\n---\ntitle: y\n")
    assert resources == ()
    assert told(found) == [("plain-several", "3:1")]


@pytest.mark.parametrize("name", ["a\u202eb", "a\x1b", "a\nb", "\udcff", "a\u2028"])
def test_a_plain_file_with_an_unprintable_name_is_refused(name: str) -> None:
    resources, found = plain("title: x\n", f"gizmos/{name}.yml")
    assert resources == ()
    assert [one.code for one in found] == ["name-invalid"]


def test_a_new_kind_needs_only_a_file() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Telescope",
        "description": "An instrument that nobody thought of when the program was written.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"description": "The format.", "const": "ureg/v1"},
            "kind": {"description": "The kind.", "const": "Telescope"},
            "metadata": {"$ref": "common.schema.json#/$defs/metadata", "description": "Who it is."},
            "state": {"description": "Where it looks.", "enum": ["parked", "tracking"]},
            "spec": {
                "description": "What it is.",
                "type": "object",
                "required": ["aperture"],
                "properties": {
                    "aperture": {"description": "Millimetres of glass.", "type": "integer", "x-immutable": True},
                    "guide": {"description": "Who guides it.", "type": "string", "x-references": ["Telescope"]},
                },
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
        "x-ureg": {
            "kind": "Telescope",
            "plural": "telescopes",
            "driver": "record",
            "lifecycle": {
                "states": ["parked", "tracking"],
                "default": "parked",
                "verbs": {
                    "mount": {"from": "absent", "to": "parked"},
                    "track": {"from": "parked", "to": "tracking"},
                    "park": {"from": "tracking", "to": "parked"},
                    "unmount": {"from": "parked", "to": "absent"},
                },
            },
        },
    }
    files = {**BUILT_IN, "schemas/telescope.schema.json": json.dumps(schema).encode()}
    catalogue, found = load_catalogue(files)
    assert found + check_catalogue(files, catalogue) == ()
    validator = Validator(catalogue)
    head = "apiVersion: ureg/v1\nkind: Telescope\nmetadata: {name: %s}\n"
    sound = (
        head % "big"
        + "state: tracking\nspec: {aperture: 2500, guide: small}\n---\n"
        + head % "small"
        + "spec: {aperture: 80}\n"
    )
    resources, found = compile_file("registry.d/t.yaml", sound.encode(), catalogue, validator, None)
    assert found == ()
    assert [(one.address, one.state) for one in resources] == [
        ("telescope/big", "tracking"),
        ("telescope/small", "parked"),
    ]
    state, found = assemble(resources, Revision("", "", dirty=True), catalogue.digest)
    assert found == ()
    assert state is not None
    assert state.resources["telescope/big"].dependencies == ("telescope/small",)
    wrong = head % "odd" + "spec: {apertur: 80}\n"
    _, found = compile_file("registry.d/t.yaml", wrong.encode(), catalogue, validator, None)
    assert [(one.code, str(one.location), one.detail) for one in found] == [
        ("schema-required", "registry.d/t.yaml:4:1", "Millimetres of glass."),
        ("schema-additional-properties", "registry.d/t.yaml:4:8", ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{apiVersion: ureg/v1, kind: Gadgit, spec: {token: hunter2}}\n",
        "{spec: {token: hunter2},\n kind: Gadgit}\n",
        "spec: {token: hunter2}\nmetadata: {name: a}\n",
        "kind: {token: hunter2}\n",
        "token: hunter2\n",
    ],
)
def test_no_line_that_may_hold_a_secret_is_shown_of_a_document_without_a_kind(text: str) -> None:
    _, found = manifests(text)
    assert found
    assert not any("hunter2" in one.location.source_line for one in found if one.location)


def test_the_line_of_an_unknown_kind_is_shown_where_it_holds_nothing_else() -> None:
    (found,) = manifests("apiVersion: ureg/v1\nkind: Gadgit # of ours\nmetadata:\n  name: a\n")[1]
    assert found.location
    assert found.location.source_line == "kind: Gadgit # of ours"
