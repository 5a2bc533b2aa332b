"""The file format of plans: one JSON document with a marker, a version, a digest and the plan.

The digest covers the plan's bytes as they stand, so damage is seen before anything is parsed. It is no signature:
whoever can write the file can also make the digest fit.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson

from reconciler.model.change import MISSING, Change, Difference
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.plan import Plan

VERSION = 1

_HEAD = re.compile(rb'\{"format":"ureg-plan","version":(\d{1,9}),"sha256":"([0-9a-f]{64})","plan":')


def encode(plan: Plan) -> bytes:
    """The file that holds `plan`."""
    body = orjson.dumps(plan, default=_plain)
    digest = sha256(body).hexdigest()
    return b'{"format":"ureg-plan","version":%d,"sha256":"%s","plan":%s}' % (VERSION, digest.encode(), body)


def decode(data: bytes) -> Plan:
    """The plan that `data` holds. Raises Invalid where it is no plan, damaged, or of another version."""
    head = _HEAD.match(data)
    if head is None:
        raise _refused("is not a plan file", "It does not begin as `ureg plan -out` writes it.")
    if int(head[1]) != VERSION:
        raise _refused("is of another version", f"It has the format version {int(head[1])}; this ureg reads {VERSION}.")
    body = memoryview(data)[head.end() : -1]
    if sha256(body).hexdigest().encode() != head[2] or data[-1:] != b"}":
        raise _refused("is damaged", "It was cut short or changed since it was written.")
    return _validated(bytes(body))


def _validated(body: bytes) -> Plan:
    from pydantic import TypeAdapter, ValidationError

    try:
        plan = TypeAdapter(Plan).validate_json(body, strict=True, extra="forbid")
        plan = replace(plan, changes=tuple(_with_values(change) for change in plan.changes))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _refused("is not a plan", f"{place}: {first['msg']}.") from None
    except ValueError as error:
        raise _refused("is not a plan", f"{error}.") from None
    addresses = {change.address for change in plan.changes}
    for number, step in enumerate(plan.steps):
        if step.number != number or step.address not in addresses or not all(0 <= n < number for n in step.requires):
            raise _refused("is not a plan", f"Step {number} does not fit the others.")
    return plan


def _plain(value: Any) -> Any:
    """What orjson is to write for a value that JSON has no form for."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Difference):
        return value._replace(before=_boxed(value.before), after=_boxed(value.after))._asdict()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    raise TypeError(f"{type(value).__name__} does not belong in a plan")


def _boxed(value: Any) -> list[Any]:
    return [] if value is MISSING else [value]


def _with_values(change: Change) -> Change:
    if not change.differences:
        return change
    found = tuple(d._replace(before=_unboxed(d.before), after=_unboxed(d.after)) for d in change.differences)
    return replace(change, differences=found)


def _unboxed(value: Any) -> Any:
    if not isinstance(value, list) or len(value) > 1:
        raise ValueError("A difference holds neither a value nor its absence")
    return value[0] if value else MISSING


def _refused(what: str, why: str) -> Invalid:
    return Invalid(Diagnostic("plan-invalid", f"This {what}", detail=why, hint="Make a new one with `ureg plan -out`."))
