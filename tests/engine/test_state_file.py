"""A state goes through JSON unharmed, and nothing else is taken for one."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.engine import state_file
from reconciler.engine.state_file import read_state
from reconciler.model.diagnostics import Invalid
from reconciler.model.record import Record, RecordedState, Status
from reconciler.render.state_json import render_state


def record(name: str, document: Any = None, **changes: Any) -> Record:
    manifest = b"" if document is None else orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    fingerprint = blake2b(manifest, digest_size=20).hexdigest() if manifest else ""
    plain = Record(f"service/{name}", "Service", "running", Status.OK, fingerprint, manifest, b'["engine/x"]')
    return plain._replace(**changes)


def state(*records: Record) -> RecordedState:
    return RecordedState("1f0c", 7, {each.address: each for each in records})


def written(*records: Record) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(render_state(state(*records)))
    return value


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["apiVersion", "kind", "spec", "more"]), VALUES).flatmap(
    lambda body: st.sampled_from([body, {**body, "metadata": {"name": "a", "labels": {}}}])
)


@given(st.none() | DOCUMENTS, st.sampled_from(Status), st.text(), st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_a_round_trip(document: Any, status: Status, error: str, failures: int) -> None:
    one = record("a", document, status=status, error=error, failures=failures, source="a.yaml:1", commit="c" * 40)
    before = state(one, record("b.c é", {"kind": "Service"}, serial=3))
    assert read_state(render_state(before)) == before


def test_an_edited_manifest_gets_its_own_fingerprint() -> None:
    file = written(record("a", {"spec": {"port": 1}}))
    file["resources"][0]["spec"]["port"] = 2
    expected = record("a", {"metadata": {}, "spec": {"port": 2}})
    file["resources"][0]["metadata"] = {}
    assert read_state(orjson.dumps(file)).records["service/a"] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "format version 2; this ureg reads 1"),
        ({"version": True}, "no format version"),
        ({"version": "1"}, "no format version"),
        ({"serial": -1}, r"serial: .*greater than or equal to 0"),
        ({"serial": "7"}, r"serial: .*valid integer"),
        ({"serial": 2**63}, r"serial: .*less than"),
        ({"lineage": None}, r"lineage: .*valid string"),
        ({"resources": {}}, r"resources: .*valid list"),
        ({"more": 1}, r"more: Extra"),
    ],
)
def test_what_is_no_state_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_state(orjson.dumps({**written(), **change}))
    assert re.search(message, caught.value.diagnostics[0].detail)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"address": "service"}, r"resources.0.address: 'service' is not an address"),
        ({"address": "service/b"}, "service/b is not the address of the Service a"),
        ({"kind": "Engine"}, "service/a is not the address of the Engine a"),
        ({"status": "fine"}, r"resources.0.status: .*'ok'"),
        ({"state": ""}, r"resources.0.state: .*at least 1"),
        ({"dependencies": ["engine/x", 1]}, r"resources.0.dependencies.1: .*valid string"),
        ({"dependencies": ["nothing"]}, r"resources.0.dependencies.0: 'nothing' is not an address"),
        ({"document": []}, r"resources.0.document"),
        ({"metadata": None}, r"resources.0.metadata: .*valid dictionary"),
        ({"failures": 1.0}, r"resources.0.failures"),
        ({"failures": True}, r"resources.0.failures"),
        ({"error": None}, r"resources.0.error"),
        ({"secret": "x"}, r"resources.0.secret: Extra"),
    ],
)
def test_a_resource_that_is_none_is_named(change: dict[str, Any], message: str) -> None:
    file = written(record("a", {"spec": 1}))
    file["resources"][0] |= change
    with pytest.raises(Invalid) as caught:
        read_state(orjson.dumps(file))
    assert re.search(message, caught.value.diagnostics[0].detail)


def test_everything_that_is_wrong_is_told_at_once_up_to_a_limit() -> None:
    file = written(*(record(f"x{number}") for number in range(30)))
    for resource in file["resources"]:
        del resource["error"]
    with pytest.raises(Invalid) as caught:
        read_state(orjson.dumps(file))
    lines = caught.value.diagnostics[0].detail.splitlines()
    assert lines[0].startswith("resources.0.error: Field required")
    assert (len(lines), lines[-1]) == (21, "and 10 more")


def test_no_component_stands_in_it_twice() -> None:
    file = written(record("a"))
    file["resources"] *= 2
    with pytest.raises(Invalid) as caught:
        read_state(orjson.dumps(file))
    assert "service/a stands in it twice" in caught.value.diagnostics[0].detail


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"\x00", b"SQLite format 3\x00", b"[" * 100_000, b'{"a":' * 5_000, b"\xff\xfe{", b"NaN",
        b'{"version": 1e0}', b'{"version": 1' + b"0" * 5_000 + b"}", b'{"version":1,"serial":NaN}', b"\xe9",
    ],
)  # fmt: skip
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        read_state(data)


def test_a_manifest_that_is_too_deep_is_refused() -> None:
    file = orjson.dumps(written(record("a", {"spec": "deep"})))
    deep = file.replace(b'"deep"', b"[" * 500 + b"]" * 500)
    with pytest.raises(Invalid) as caught:
        read_state(deep)
    assert "service/a" in caught.value.diagnostics[0].detail


def test_the_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "MOST_BYTES", 10)
    with pytest.raises(Invalid):
        read_state(render_state(state()))


@given(st.binary() | st.text().map(str.encode) | VALUES.map(orjson.dumps))
@settings(max_examples=60, deadline=None)
def test_hostile_bytes_are_findings(data: bytes) -> None:
    with pytest.raises(Invalid):
        read_state(data)
