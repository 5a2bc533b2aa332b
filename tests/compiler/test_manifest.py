"""Documents become resources: canonical bytes, fingerprints, states, references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.finding import Finding
from reconciler.compiler.kinds import load_catalogue
from reconciler.compiler.manifest import stem, to_resource
from reconciler.model.resource import Document, Reference, Resource

HERE = Path(__file__).parent
CATALOGUE = load_catalogue({f"schemas/{path.name}": path.read_bytes() for path in HERE.glob("*.schema.json")})[0]
GADGET = CATALOGUE.kinds["gadget"]
GIZMO = CATALOGUE.kinds["gizmo"]


def read(spec: dict[str, Any] | None = None, **more: Any) -> tuple[Resource, list[Finding]]:
    value = {"apiVersion": "ureg/v1", "kind": "Gadget", "metadata": {"name": "a"}, **more}
    return to_resource(Document("registry.d/a.yaml", 2, 7, value if spec is None else {**value, "spec": spec}), GADGET)


def gadget(spec: dict[str, Any] | None = None, **more: Any) -> Resource:
    resource, misfits = read(spec, **more)
    assert misfits == []
    return resource


def test_a_resource_of_a_manifest() -> None:
    resource = gadget({"size": 3}, state="off")
    assert resource.manifest == b'{"apiVersion":"ureg/v1","kind":"Gadget","metadata":{"name":"a"},"spec":{"size":3}}'
    assert (resource.address, resource.kind, resource.state) == ("gadget/a", "Gadget", "off")
    assert (resource.path, resource.document, resource.line) == ("registry.d/a.yaml", 2, 7)
    assert resource.references == ()
    assert len(resource.fingerprint) == 40


def test_the_state_is_no_part_of_the_manifest_and_has_a_default() -> None:
    assert gadget().state == "on"
    assert gadget(state="off").fingerprint == gadget().fingerprint


def test_a_plain_file_is_the_spec_of_its_component() -> None:
    value = {"title": "Baïkal", "state": "old", "gadget": "a"}
    resource, _ = to_resource(Document("gizmos/bai\u0308kal.v2.yml", 0, 1, value), GIZMO)
    assert resource.address == "gizmo/baïkal.v2"
    assert resource.state == "present"
    assert resource.body() == {
        "apiVersion": "ureg/v1",
        "kind": "Gizmo",
        "metadata": {"name": "baïkal.v2"},
        "spec": value,
    }
    assert resource.references == (Reference("gadget/a", ("gadget",)),)


def test_a_plain_document_may_be_anything() -> None:
    resource, _ = to_resource(Document("gizmos/list.yml", 0, 1, [1]), GIZMO)
    assert resource.body()["spec"] == [1]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/easy!appointments.yml", "easy!appointments"),
        ("draw.io.yaml", "draw.io"),
        ("noend", "noend"),
        ("x/.yml", ".yml"),
    ],
)
def test_the_name_of_a_plain_file_is_its_stem(path: str, name: str) -> None:
    assert stem(path) == name


@pytest.mark.parametrize(
    ("field", "text", "target"),
    [
        ("parent", "b", "gadget/b"),
        ("parent", "gadget/b", "gadget/b"),
        ("parent", "payments:b", "payments:gadget/b"),
        ("parent", "payments:gadget/b", "payments:gadget/b"),
        ("friend", "gizmo/draw.io", "gizmo/draw.io"),
        ("friend", "payments:gizmo/x:y", "payments:gizmo/x:y"),
    ],
)
def test_references_become_addresses(field: str, text: str, target: str) -> None:
    resource = gadget({field: text})
    assert resource.references == (Reference(target, ("spec", field)),)


def test_references_are_found_in_lists_and_under_any_key() -> None:
    resource = gadget(
        {"parts": [{"name": "x"}, {"name": "y", "from": "gizmo/g"}], "links": {"k": "b", "l": "c"}},
        metadata={"name": "a", "dependsOn": ["gadget/z", "gadget/b"]},
    )
    assert resource.references == (
        Reference("gadget/z", ("metadata", "dependsOn", 0)),
        Reference("gadget/b", ("metadata", "dependsOn", 1)),
        Reference("gizmo/g", ("spec", "parts", 1, "from")),
        Reference("gadget/b", ("spec", "links", "k")),
        Reference("gadget/c", ("spec", "links", "l")),
    )
    assert resource.dependencies == ("gadget/z", "gadget/b", "gizmo/g", "gadget/c")


@pytest.mark.parametrize(
    ("spec", "code", "pointer", "summary"),
    [
        ({"friend": "b"}, "reference-form", ("spec", "friend"),
         '"spec.friend" must be an address, kind/name, not "b".'),
        ({"parent": "gizmo/b"}, "reference-kind", ("spec", "parent"),
         '"spec.parent" must name a component of the kind Gadget, not "gizmo/b".'),
        ({"friend": "engine/b"}, "reference-kind", ("spec", "friend"),
         '"spec.friend" must name a component of the kind Gadget or Gizmo, not "engine/b".'),
        ({"parts": [{"from": "b"}]}, "reference-form", ("spec", "parts", 0, "from"),
         '"spec.parts[0].from" must be an address, kind/name, not "b".'),
    ],
)  # fmt: skip
def test_references_that_do_not_fit(spec: dict[str, Any], code: str, pointer: tuple[Any, ...], summary: str) -> None:
    _, (found,) = read(spec)
    assert (found.code, found.pointer, found.summary) == (code, pointer, summary)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def _turned(value: Any) -> Any:
    """The same value with the keys of all mappings in the opposite order."""
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abcd", max_size=3), _VALUES, max_size=4))
def test_the_manifest_says_the_same_in_one_way_only(spec: dict[str, Any]) -> None:
    resource = gadget(spec)
    assert orjson.loads(resource.manifest)["spec"] == spec
    assert resource == gadget(_turned(spec))
    assert resource.fingerprint != gadget({**spec, "more": 1}).fingerprint
