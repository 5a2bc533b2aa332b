"""Resources of a sub-registry under its name."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compiler.prefix import pin, under_prefix
from reconciler.model.resource import Reference, Resource

OWNER = "registry/payments"


def resource(name: str, spec: Any, *references: tuple[str, tuple[str | int, ...]]) -> Resource:
    manifest = orjson.dumps({"metadata": {"name": name}, "spec": spec}, option=orjson.OPT_SORT_KEYS)
    links = tuple(Reference(target, pointer) for target, pointer in references)
    return Resource(f"service/{name}", "Service", "running", f"print of {name}", manifest, links, "a.yaml", 0, 3)


def test_everything_gets_the_prefix_and_waits_for_who_brings_it() -> None:
    (placed,) = under_prefix([resource("alone", {"port": 1})], "payments", (), OWNER)
    assert placed.address == "payments:service/alone"
    assert placed.dependencies == (OWNER,)
    assert placed.fingerprint == "print of alone"
    assert (placed.name, placed.path, placed.line) == ("alone", "a.yaml", 3)


def test_names_are_written_out_in_the_manifest() -> None:
    spec = {"after": ["service/db"], "store": "db"}
    top = resource("top", spec, ("service/db", ("spec", "after", 0)), ("service/db", ("spec", "store")))
    placed, _ = under_prefix([top, resource("db", {})], "payments", (), OWNER)
    assert placed.body()["spec"] == {"after": ["payments:service/db"], "store": "payments:db"}
    assert placed.dependencies == ("payments:service/db", OWNER)
    assert placed.fingerprint != top.fingerprint


def test_its_own_component_goes_before_one_that_is_exported() -> None:
    own = resource("own", {"on": "service/db"}, ("service/db", ("spec", "on")))
    alone, *_ = under_prefix([own], "payments", ["service/db"], OWNER)
    both, *_ = under_prefix([own, resource("db", {})], "payments", ["service/db"], OWNER)
    assert alone.dependencies == ("service/db", OWNER)
    assert alone.body()["spec"] == {"on": "service/db"}
    assert both.dependencies == ("payments:service/db", OWNER)


def test_what_is_not_exported_stays_inside_and_leads_nowhere() -> None:
    reaching = resource("reaching", {"on": "service/secret"}, ("service/secret", ("spec", "on")))
    (placed,) = under_prefix([reaching], "payments", ["service/db"], OWNER)
    assert placed.dependencies == ("payments:service/secret", OWNER)


def test_prefixes_stand_before_each_other() -> None:
    inner = under_prefix(
        [resource("a", {"on": "b"}, ("service/b", ("spec", "on"))), resource("b", {})], "ledger", (), "registry/ledger"
    )
    placed, _ = under_prefix([*inner], "payments", (), OWNER)
    assert placed.address == "payments:ledger:service/a"
    assert placed.body()["spec"] == {"on": "payments:ledger:b"}
    assert placed.dependencies == ("payments:ledger:service/b", "payments:registry/ledger", OWNER)


names = st.sampled_from("abcdef")


@settings(max_examples=50)
@given(st.dictionaries(names, st.lists(names, max_size=3), min_size=1), st.sets(names), st.booleans())
def test_nothing_reaches_outside_but_to_what_is_exported(
    edges: dict[str, list[str]], exported: set[str], nested: bool
) -> None:
    made = [
        resource(name, {"on": others}, *((f"service/{other}", ("spec", "on", i)) for i, other in enumerate(others)))
        for name, others in edges.items()
    ]
    exports = {f"service/{name}" for name in exported}
    if nested:
        made = under_prefix(made, "inner", exports, "registry/inner")
    for placed in under_prefix(made, "payments", exports, OWNER):
        assert placed.address.startswith("payments:")
        assert all(t.startswith("payments:") or t in {*exports, OWNER} for t in placed.dependencies)


def test_a_pin_is_part_of_the_manifest() -> None:
    before = resource("payments", {"ref": "main"})
    pinned = pin(before, "c" * 40)
    assert pinned.body()["spec"] == {"commit": "c" * 40, "ref": "main"}
    assert pinned.fingerprint != before.fingerprint
    assert pin(pinned, "c" * 40) == pinned
