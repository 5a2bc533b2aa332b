"""The schema files and the manifests of this repository, judged by jsonschema alone, so that whatever editors and
other validators make of them is what is tested."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import orjson
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SCHEMAS: dict[str, Any] = {
    path.name: orjson.loads(path.read_bytes()) for path in sorted((ROOT / "schemas").glob("*.json"))
}
BLOCKS: dict[str, Any] = {name: schema["x-ureg"] for name, schema in SCHEMAS.items() if "x-ureg" in schema}
KINDS = {"Plugin", "Service", "Engine", "Component", "Registry", "Feature", "GridNode", "Config", "Route", "Mesh"}
LIFECYCLES = {block["kind"]: block["lifecycle"] for block in BLOCKS.values() if "lifecycle" in block}

# What a pattern must not hold: engines with linear time have no lookaround and no backreferences, and the classes
# \d, \w, \s and \b mean other characters from one engine to the next.
FOREIGN = re.compile(r"\(\?|\\[1-9dDwWsSbBAZz]")

REGISTRY: Registry[Any] = EMPTY_REGISTRY.with_resources(
    (name, Resource.from_contents(schema, default_specification=DRAFT202012)) for name, schema in SCHEMAS.items()
)

each_schema = pytest.mark.parametrize("file", SCHEMAS)
each_kind = pytest.mark.parametrize("file", BLOCKS)
each_lifecycle = pytest.mark.parametrize("kind", LIFECYCLES)


class Node(NamedTuple):
    """A subschema, with the pointer that leads to it."""

    pointer: str
    schema: Mapping[str, Any]


def nodes(schema: Any, pointer: str = "") -> Iterator[Node]:
    if not isinstance(schema, dict):
        return
    yield Node(pointer, schema)
    for keyword in ("items", "additionalProperties", "propertyNames", "not"):
        yield from nodes(schema.get(keyword), f"{pointer}/{keyword}")
    for keyword in ("properties", "$defs"):
        for name, child in schema.get(keyword, {}).items():
            yield from nodes(child, f"{pointer}/{keyword}/{name}")


def validator(reference: str) -> Any:
    return Draft202012Validator({"$ref": reference}, registry=REGISTRY)


def faults(reference: str, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(reference).iter_errors(value)]


def told(file: str, wrong: Callable[[Node], bool]) -> list[str]:
    """The pointers of the nodes of `file` that are wrong."""
    return [node.pointer for node in nodes(SCHEMAS[file]) if wrong(node)]


# The schemas


def test_there_is_one_schema_for_each_kind() -> None:
    assert {block["kind"] for block in BLOCKS.values()} == KINDS
    assert set(SCHEMAS) - set(BLOCKS) == {"common.schema.json", "kind.schema.json", "settings.schema.json"}


@each_schema
def test_it_is_a_schema_of_draft_2020_12(file: str) -> None:
    assert SCHEMAS[file]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMAS[file]["$id"] == file
    Draft202012Validator.check_schema(SCHEMAS[file])


@each_schema
def test_every_property_and_definition_is_described_in_sentences(file: str) -> None:
    named = re.compile(r".*/(properties|\$defs)/[^/]+|")

    def silent(node: Node) -> bool:
        text = node.schema.get("description", "")
        return bool(named.fullmatch(node.pointer)) and not (text[:1].isupper() and text.endswith("."))

    assert told(file, silent) == []


@each_schema
def test_every_example_and_every_default_is_valid(file: str) -> None:
    wrong = [
        (node.pointer, example, fault)
        for node in nodes(SCHEMAS[file])
        for example in (
            *node.schema.get("examples", ()),
            *([node.schema["default"]] if "default" in node.schema else ()),
        )
        for fault in faults(f"{file}#{node.pointer}", example)
    ]
    assert wrong == []


@each_schema
def test_every_reference_stays_in_the_folder(file: str) -> None:
    resolver = REGISTRY.resolver(base_uri=file)
    for node in nodes(SCHEMAS[file]):
        reference = node.schema.get("$ref")
        if reference is not None:
            assert re.fullmatch(r"(common\.schema\.json)?#/\$defs/[A-Za-z]+", reference), node.pointer
            resolver.lookup(reference)


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether properties that it does not name are refused, or held against a schema of their own."""
    others = schema.get("additionalProperties")
    return others is False or (isinstance(others, dict) and bool(others))


@each_schema
def test_every_mapping_with_named_properties_refuses_others(file: str) -> None:
    # kind.schema.json describes JSON Schemas, which have keywords that it does not name.
    if file == "kind.schema.json":
        return
    assert told(file, lambda node: "properties" in node.schema and not _is_closed(node.schema)) == []


@each_schema
def test_it_uses_only_keywords_that_are_cheap_and_explain_themselves(file: str) -> None:
    # `uniqueItems` is quadratic in jsonschema; branches with properties blame the wrong key.
    refused = {"uniqueItems", "allOf", "anyOf", "oneOf", "if", "unevaluatedProperties", "patternProperties", "format"}
    assert told(file, lambda node: not refused.isdisjoint(node.schema)) == []


@each_schema
def test_every_pattern_is_whole_and_portable(file: str) -> None:
    for node in nodes(SCHEMAS[file]):
        pattern = node.schema.get("pattern")
        if pattern is not None and not node.pointer.endswith("/not"):
            assert pattern.startswith("^"), node.pointer
            assert pattern.endswith("$"), node.pointer
            assert not FOREIGN.search(pattern), node.pointer


@each_schema
def test_no_pattern_lets_a_final_newline_pass(file: str) -> None:
    wrong = [
        (node.pointer, example)
        for node in nodes(SCHEMAS[file])
        if "pattern" in node.schema
        for example in node.schema.get("examples", ())
        if isinstance(example, str) and not faults(f"{file}#{node.pointer}", f"{example}\n")
    ]
    assert wrong == []


@each_schema
def test_what_is_sensitive_takes_only_a_reference_to_a_secret(file: str) -> None:
    assert (
        told(
            file,
            lambda node: (
                node.schema.get("x-sensitive") is True
                and node.schema.get("$ref") not in ("#/$defs/secretRef", "common.schema.json#/$defs/secretRef")
            ),
        )
        == []
    )


@each_schema
def test_every_key_of_a_list_is_a_required_property_of_its_items(file: str) -> None:
    assert (
        told(
            file,
            lambda node: (
                "x-key" in node.schema
                and "pattern" not in node.schema
                and node.schema["x-key"] not in node.schema["items"]["required"]
            ),
        )
        == []
    )


@each_schema
def test_the_members_of_every_node_are_in_one_order(file: str) -> None:
    order = [
        *("$schema", "$id", "title", "description", "x-ureg", "$ref", "type", "const", "enum", "pattern", "not"),
        *("minLength", "maxLength", "minimum", "exclusiveMinimum", "maximum", "minItems", "maxItems"),
        *("minProperties", "maxProperties", "required", "propertyNames", "properties", "items"),
        *(
            "additionalProperties",
            "default",
            "examples",
            "x-references",
            "x-immutable",
            "x-sensitive",
            "x-key",
            "x-node",
            "x-one-of",
            "x-covers",
            "x-logic",
            "x-version",
            "x-requires",
            "x-unique",
            "$defs",
        ),
    ]
    assert told(file, lambda node: list(node.schema) != sorted(node.schema, key=order.index)) == []


# The kinds


@each_kind
def test_a_kind_is_as_the_schema_of_kinds_has_it(file: str) -> None:
    assert faults("kind.schema.json", SCHEMAS[file]) == []
    assert file == f"{BLOCKS[file]['kind'].lower()}.schema.json"


@each_kind
def test_a_kind_describes_the_whole_manifest(file: str) -> None:
    schema, block = SCHEMAS[file], BLOCKS[file]
    states = LIFECYCLES.get(block["kind"], {"states": ["present"], "default": "present"})
    parts = schema["properties"]
    assert list(parts) == ["apiVersion", "kind", "metadata", "state", "spec"]
    assert schema["required"] == ["apiVersion", "kind", "metadata", "spec"]
    assert parts["apiVersion"]["const"] == "ureg/v1"
    assert parts["kind"]["const"] == block["kind"]
    assert parts["state"]["enum"] == states["states"]
    assert parts["state"]["default"] == states["default"]


@each_kind
def test_every_referenced_kind_exists(file: str) -> None:
    named = {kind for node in nodes(SCHEMAS[file]) for kind in node.schema.get("x-references", ())}
    assert named <= KINDS | {"*"}


def test_no_word_means_two_kinds() -> None:
    words = Counter(
        word
        for block in BLOCKS.values()
        for word in {block["kind"].lower(), block["plural"], *block.get("aliases", ())}
    )
    assert [word for word, times in words.items() if times > 1] == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"shape": "round"}, "$['x-ureg']"),
        ({"driver": "File-System"}, "$['x-ureg'].driver"),
        ({"kind": "service"}, "$['x-ureg'].kind"),
        ({"plural": "Services"}, "$['x-ureg'].plural"),
        ({"files": "../elsewhere/*.yml"}, "$['x-ureg'].files"),
        ({"files": "/etc/*.yml"}, "$['x-ureg'].files"),
        ({"lifecycle": {"states": ["on"], "default": "on"}}, "$['x-ureg'].lifecycle"),
        ({"lifecycle": {"states": ["absent"], "default": "on", "verbs": {"a": {"from": "on"}}}},
         "$['x-ureg'].lifecycle.states[0]"),
        ({"lifecycle": {"states": ["on"], "default": "on", "verbs": {"a": {"to": "on"}}}},
         "$['x-ureg'].lifecycle.verbs.a"),
        ({"lifecycle": {"states": ["on"], "default": "on", "verbs": {"a": {"from": "on", "timeout": 30}}}},
         "$['x-ureg'].lifecycle.verbs.a.timeout"),
    ],
)  # fmt: skip
def test_a_broken_block_is_refused_at_its_place(change: dict[str, Any], place: str) -> None:
    schema = {**SCHEMAS["service.schema.json"], "x-ureg": {**BLOCKS["service.schema.json"], **change}}
    assert [error.json_path for error in validator("kind.schema.json").iter_errors(schema)] == [place]


def test_annotations_of_the_wrong_shape_are_refused_at_their_place() -> None:
    parts = {"spec": {"properties": {"engine": {"x-references": "Engine"}, "ports": {"items": {"x-sensitive": "yes"}}}}}
    schema = {"x-ureg": BLOCKS["config.schema.json"], "properties": parts}
    assert sorted(error.json_path for error in validator("kind.schema.json").iter_errors(schema)) == [
        "$.properties.spec.properties.engine['x-references']",
        "$.properties.spec.properties.ports.items['x-sensitive']",
    ]


# The lifecycles


def sources(verb: Mapping[str, Any]) -> list[str]:
    return [verb["from"]] if isinstance(verb["from"], str) else list(verb["from"])


def reach(moves: list[tuple[str, str]]) -> set[str]:
    reached = {"absent"}
    while more := {target for source, target in moves if source in reached} - reached:
        reached |= more
    return reached


@each_lifecycle
def test_every_state_is_reached_from_absent_and_leads_back(kind: str) -> None:
    lifecycle = LIFECYCLES[kind]
    verbs = [verb for verb in lifecycle["verbs"].values() if not verb.get("onDemand")]
    moves = [(source, verb["to"]) for verb in verbs if "to" in verb for source in sources(verb)]
    everything = {"absent", *lifecycle["states"]}
    assert reach(moves) == everything
    assert reach([(target, source) for source, target in moves]) == everything


@each_lifecycle
def test_every_state_can_be_updated_by_one_verb(kind: str) -> None:
    lifecycle = LIFECYCLES[kind]
    updates = [verb for verb in lifecycle["verbs"].values() if "to" not in verb and not verb.get("onDemand")]
    assert [sources(verb) for verb in updates] == [lifecycle["states"]]


@each_lifecycle
def test_aliases_stand_for_verbs(kind: str) -> None:
    lifecycle = LIFECYCLES[kind]
    aliases = lifecycle.get("aliases", {})
    assert set(aliases.values()) <= set(lifecycle["verbs"])
    assert set(aliases).isdisjoint(lifecycle["verbs"])


# The shared definitions


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        *(("name", value) for value in ("", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "ä")),
        *(("address", value) for value in ("duckdb", "/duckdb", "engine/", "Engine/duckdb", ":engine/x", "engine/a/b")),
        *(("relativePath", value) for value in ("/etc/x", "../x", "a/../b", "./a", "a//b", "a/", "..", "~/x", "a\\b")),
        *(("hostPath", value) for value in ("//x", "/../etc", "/a/./b", "~root")),
        *(("secretPlace", value) for value in ("hunter2", "env:", "env:A B", "sops:file.yaml", "vault:x", "file:")),
        *(("duration", value) for value in ("0s", "30", "5 m", "-1s", "1.5h", "1h30m", "05s")),
        *(("bytes", value) for value in ("512", "512MB", "0Mi", "1.5Gi")),
        *(("semanticVersion", value) for value in ("1.2", "v1.2.3", "01.2.3", "1.2.3-")),
        *(("versionRange", value) for value in ("1.2", "^1.2", ">=", ">=1.2;<2", ">=1,,<2")),
        *(("url", value) for value in ("ftp://a.example.com", "https://ada:pw@a.example.com", "https://a b")),
        *(("host", value) for value in ("-a", "a.example.com:80", "a b", "")),
        *(("port", value) for value in (0, 65536, "80", 80.5)),
    ],
)  # fmt: skip
def test_a_definition_refuses(definition: str, value: Any) -> None:
    assert faults(f"common.schema.json#/$defs/{definition}", value)


@pytest.mark.parametrize(
    "url", ["https://ada:pw@git.example.com/x", "ext::sh -c x", "-u/x", "file:///etc", "git@host:x"]
)
def test_a_sub_registry_refuses_urls_that_run_programs_or_hold_passwords(url: str) -> None:
    assert faults("registry.schema.json#/properties/spec/properties/source", {"url": url})


@pytest.mark.parametrize("ref", ["--upload-pack=x", "-b", "a..b", "a//b", ".hidden", "a/", "HEAD^", "a:b"])
def test_a_sub_registry_refuses_refs_that_git_would_take_for_something_else(ref: str) -> None:
    assert faults("registry.schema.json#/properties/spec/properties/ref", ref)


# The manifests


class Manifest(NamedTuple):
    path: str
    body: dict[str, Any]

    @property
    def address(self) -> str:
        return f"{self.body['kind'].lower()}/{self.body['metadata']['name']}"

    @property
    def file(self) -> str:
        return f"{self.body['kind'].lower()}.schema.json"


@cache
def manifests() -> tuple[Manifest, ...]:
    return tuple(
        Manifest(str(path.relative_to(ROOT)), body)
        for path in sorted((ROOT / "registry.d").rglob("*.yaml"))
        for body in YAML(typ="safe").load_all(path)
    )


def references(file: str, schema: Any, value: Any) -> Iterator[str]:
    """The addresses that `value` names where `schema`, which stands in `file`, says that it names something."""
    if not isinstance(schema, dict):
        return
    kinds = schema.get("x-references", ())
    if kinds and isinstance(value, str):
        yield value if "/" in value else f"{kinds[0].lower()}/{value}"
    if "$ref" in schema:
        target, _, fragment = schema["$ref"].partition("#/$defs/")
        yield from references(target or file, SCHEMAS[target or file]["$defs"][fragment], value)
    if isinstance(value, dict):
        named = schema.get("properties", {})
        for key, item in value.items():
            yield from references(file, named.get(key, schema.get("additionalProperties")), item)
    if isinstance(value, list):
        for item in value:
            yield from references(file, schema.get("items"), item)


def graph() -> dict[str, set[str]]:
    return {m.address: set(references(m.file, SCHEMAS[m.file], m.body)) for m in manifests()}


def test_there_are_about_forty_manifests_over_all_kinds() -> None:
    assert len(manifests()) >= 38
    assert {manifest.body["kind"] for manifest in manifests()} == KINDS


def test_every_manifest_is_valid() -> None:
    wrong = {m.path: found for m in manifests() if (found := faults(m.file, m.body))}
    assert wrong == {}


def test_the_decider_accepts_every_manifest_too() -> None:
    resources = [(f"ureg:///{name}", {**schema, "$id": f"ureg:///{name}"}) for name, schema in SCHEMAS.items()]
    registry = jsonschema_rs.Registry(resources, draft=jsonschema_rs.Draft202012)
    for manifest in manifests():
        jsonschema_rs.Draft202012Validator({"$ref": f"ureg:///{manifest.file}"}, registry=registry).validate(
            manifest.body
        )


def test_no_address_is_given_twice() -> None:
    addresses = Counter(manifest.address for manifest in manifests())
    assert [address for address, times in addresses.items() if times > 1] == []


def test_every_reference_is_resolved_and_none_leads_round() -> None:
    found = graph()
    assert {target for targets in found.values() for target in targets} <= set(found)
    assert len(tuple(TopologicalSorter(found).static_order())) == len(found)
    assert sum(map(len, found.values())) >= 60


def test_every_file_tells_editors_its_schema_and_lies_in_its_kinds_folder() -> None:
    plurals = {block["kind"]: block["plural"] for block in BLOCKS.values()}
    for manifest in manifests():
        first = (ROOT / manifest.path).read_text().partition("\n")[0]
        assert first == f"# yaml-language-server: $schema=../../schemas/{manifest.file}"
        assert manifest.path.split("/")[1] == plurals[manifest.body["kind"]]


def test_states_and_files_of_many_documents_are_shown() -> None:
    asked = {manifest.body["state"] for manifest in manifests() if "state" in manifest.body}
    assert asked >= {"stopped", "installed", "disabled", "deprecated"}
    assert max(Counter(manifest.path for manifest in manifests()).values()) > 1


def test_no_two_configs_write_one_file() -> None:
    paths = [manifest.body["spec"]["path"] for manifest in manifests() if manifest.body["kind"] == "Config"]
    assert len(set(paths)) == len(paths)


def test_the_settings_of_this_repository_are_valid() -> None:
    text = (ROOT / "ureg.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=schemas/settings.schema.json\n")
    assert faults("settings.schema.json", YAML(typ="safe").load(text)) == []
