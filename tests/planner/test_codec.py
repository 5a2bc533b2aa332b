"""The plan file: what goes in comes out, and nothing else passes for a plan."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.change import MISSING, Action, Change, Difference, Reason, Side
from reconciler.model.diagnostics import Invalid
from reconciler.model.plan import Base, Guard, Mode, Options, Plan, Step
from reconciler.model.record import Observation, Record, Status
from reconciler.model.resource import Revision
from reconciler.planner.codec import SavedPlan, decode, encode, is_signed

KEY = b"k" * 32

TEXT = st.text(max_size=8)
TEXTS = st.lists(TEXT, max_size=2).map(tuple)
NUMBERS = st.integers(0, 2**40)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), TEXT
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=4
)
BYTES = st.dictionaries(TEXT, SCALARS, max_size=2).map(orjson.dumps)
SIDES = st.none() | st.builds(Side, TEXT, TEXT, BYTES, TEXTS)
VALUES = JSON | st.just(MISSING)
POINTERS = st.lists(TEXT | NUMBERS, max_size=3).map(tuple)
DIFFERENCES = st.builds(Difference, POINTERS, VALUES, VALUES, st.booleans(), st.booleans())
ACTIONS = st.sampled_from(Action)
REASONS = st.sampled_from(Reason)
FOUND = st.lists(DIFFERENCES, max_size=2).map(tuple)
CHANGES = st.builds(Change, TEXT, TEXT, TEXT, ACTIONS, REASONS, SIDES, SIDES, TEXTS, FOUND, TEXT, TEXTS, TEXT)
RECORDS = st.builds(
    Record, TEXT, TEXT, TEXT, st.sampled_from(Status), TEXT, BYTES, BYTES, TEXT, TEXT, NUMBERS, TEXT, NUMBERS
)
DRIFT = st.tuples(RECORDS, st.builds(Observation, TEXT, TEXT, TEXT))
TIMEOUTS = st.floats(0, 1e6)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    changes = draw(st.lists(CHANGES, max_size=2))
    steps = tuple(
        Step(number, change.address, draw(TEXT), draw(TEXT), draw(TEXT), tuple(range(number)), draw(TIMEOUTS))
        for number, change in enumerate(changes)
    )
    return Plan(
        draw(st.builds(Options, st.sampled_from(Mode), TEXTS, TEXTS, TEXTS)),
        draw(st.builds(Base, TEXT, NUMBERS)),
        draw(st.builds(Revision, TEXT, TEXT, st.booleans())),
        draw(TEXT),
        tuple(changes),
        steps,
        tuple(draw(st.lists(RECORDS, max_size=2))),
        tuple(draw(st.lists(DRIFT, max_size=2))),
        tuple(draw(st.lists(st.builds(Guard, TEXT, TEXT), max_size=1))),
        draw(TEXT),
    )


SIDE = Side("present", "f", b'{"a":1}', ("k/b",))
CHANGE = Change(
    "k/a", "K", "d", Action.CREATE, Reason.NONE, None, SIDE, ("create",), (Difference(("x",), None, MISSING),), "f:1"
)
PLAN = Plan(
    Options(),
    Base("line", 1),
    Revision("c", "t", False),
    "s",
    (CHANGE,),
    (Step(0, "k/a", "create", "absent", "present", ()),),
    (),
    (),
    (),
    "2026-01-01T00:00:00Z",
)
SAVED = SavedPlan(PLAN, {"d": "acme-drivers 1.2"})
FILE = encode(SAVED, KEY)


def refusal(data: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        decode(data, None)
    (finding,) = caught.value.diagnostics
    assert finding.code == "plan-invalid"
    assert "-out" in finding.hint
    return f"{finding.summary}: {finding.detail}"


def forged(**parts: Any) -> bytes:
    """A file with a digest that fits and a signature that does not, around a plan that may not fit."""
    content = orjson.loads(FILE)["content"]
    body = orjson.dumps({**content, "plan": {**content["plan"], **parts}})
    head = b'{"format":"ureg-plan","version":2,"sha256":"%s","hmac":"%s","content":'
    return head % (sha256(body).hexdigest().encode(), b"0" * 64) + body + b"}"


@settings(max_examples=60, deadline=None)
@given(plans(), st.dictionaries(TEXT, TEXT, max_size=2), st.binary(min_size=1, max_size=40))
def test_what_goes_in_comes_out(plan: Plan, drivers: dict[str, str], key: bytes) -> None:
    saved = SavedPlan(plan, drivers)
    found = decode(encode(saved, key), key)
    assert found == saved
    assert repr(found) == repr(saved)


def test_the_file_is_one_json_document() -> None:
    value = orjson.loads(FILE)
    assert (value["format"], value["version"], list(value)[-1]) == ("ureg-plan", 2, "content")
    assert encode(SAVED, KEY) == FILE


def test_only_who_has_the_key_makes_a_file_that_is_taken() -> None:
    assert is_signed(FILE, KEY)
    assert decode(FILE, None) == SAVED
    for key in (b"", b"x" * 32, KEY[:-1], KEY + b"k"):
        assert not is_signed(FILE, key)
        with pytest.raises(Invalid) as caught:
            decode(FILE, key)
        (finding,) = caught.value.diagnostics
        assert finding.code == "plan-foreign"
        assert "UREG_PLAN_KEY" in finding.hint


def test_an_edited_plan_whose_digest_was_made_to_fit_is_refused() -> None:
    edited = forged(schemas="others")
    assert decode(edited, None).plan.schemas == "others"
    assert not is_signed(edited, KEY)
    with pytest.raises(Invalid, match="not authenticated"):
        decode(edited, KEY)


def test_null_and_missing_stay_apart() -> None:
    (difference,) = decode(FILE, KEY).plan.changes[0].differences
    assert difference.before is None
    assert difference.after is MISSING


def test_a_file_cut_short_anywhere_is_refused() -> None:
    data = FILE
    for length in range(len(data)):
        refusal(data[:length])


def test_a_flipped_bit_anywhere_is_seen() -> None:
    signature = range(FILE.index(b'"hmac":"') + 8, FILE.index(b'","content"'))
    for place in range(len(FILE)):
        for bit in (0, 5):
            flipped = FILE[:place] + bytes([FILE[place] ^ (1 << bit)]) + FILE[place + 1 :]
            with pytest.raises(Invalid) as caught:
                decode(flipped, KEY)
            assert caught.value.diagnostics[0].code in {"plan-invalid", "plan-foreign"}
            if place not in signature:
                refusal(flipped)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[" * 100_000, b"\x00" * 1_000_000, b"PK\x03\x04", b'{"format":"ureg-plan"}']
)
def test_other_files_are_no_plans(data: bytes) -> None:
    assert "is not a plan file" in refusal(data)


def test_another_version_is_named() -> None:
    assert "version 3; this ureg reads 2" in refusal(FILE.replace(b'"version":2', b'"version":3', 1))


def test_a_file_of_the_first_version_is_named() -> None:
    assert "version 1; this ureg reads 2" in refusal(b'{"format":"ureg-plan","version":1,"sha256":"0","plan":{}}')


def test_appended_bytes_are_seen() -> None:
    assert "is damaged" in refusal(FILE + b"\n")


STEP: dict[str, Any] = orjson.loads(FILE)["content"]["plan"]["steps"][0]
OTHER: dict[str, Any] = orjson.loads(FILE)["content"]["plan"]["changes"][0]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"schemas": 1}, "schemas"),
        ({"extra": 1}, "extra"),
        ({"base": {"lineage": "l", "serial": "1"}}, "base.serial"),
        ({"base": {"lineage": "l", "serial": True}}, "base.serial"),
        ({"changes": [{**OTHER, "action": "explode"}]}, "changes.0.action"),
        ({"changes": [{**OTHER, "differences": [{"pointer": [], "before": 1, "after": []}]}]}, "difference"),
        ({"steps": [{**STEP, "number": 1}]}, "Step 0"),
        ({"steps": [{**STEP, "address": "k/z"}]}, "Step 0"),
        ({"steps": [{**STEP, "requires": [0]}]}, "Step 0"),
        ({"steps": [{**STEP, "requires": [-1]}]}, "Step 0"),
    ],
)
def test_a_plan_of_wrong_parts_is_refused_at_its_place(parts: dict[str, Any], why: str) -> None:
    assert why in refusal(forged(**parts))


def test_a_forged_file_of_right_parts_is_a_plan() -> None:
    assert decode(forged(), None) == SAVED
