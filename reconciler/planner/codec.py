"""The file format of saved plans: one JSON document with a marker, a version, a digest, a signature and the content.

The content is the plan and the versions of the drivers that it was made with. The digest covers its bytes as they
stand, so damage is seen before anything is parsed. The signature is an HMAC over the same bytes: only who has the key
can make a file that is applied. What the key is, and what that helps against, is said in reconciler.sources.plan_key.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from reconciler.model.change import MISSING, Change, Difference
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.plan import Plan

VERSION = 2

_HEAD = re.compile(
    rb'\{"format":"ureg-plan","version":(\d{1,9})(?:,"sha256":"([0-9a-f]{64})","hmac":"([0-9a-f]{64})","content":)?'
)


class SavedPlan(NamedTuple):
    """A plan, and the version of each driver that it uses, by the driver's name."""

    plan: Plan
    drivers: Mapping[str, str]


class _Parts(NamedTuple):
    signature: bytes
    content: bytes


def encode(saved: SavedPlan, key: bytes) -> bytes:
    """The file that holds `saved`, signed with `key`."""
    content = orjson.dumps(saved, default=_plain)
    digest = sha256(content).hexdigest().encode()
    head = b'{"format":"ureg-plan","version":%d,"sha256":"%s","hmac":"%s","content":'
    return head % (VERSION, digest, _sign(content, key)) + content + b"}"


def decode(data: bytes, key: bytes | None) -> SavedPlan:
    """What `data` holds. Raises Invalid where that is no plan, damaged, of another version, or not signed with `key`;
    None takes any signature."""
    parts = _split(data)
    if key is not None and not _fits(parts, key):
        raise Invalid(
            Diagnostic(
                "plan-foreign",
                "This plan is not authenticated",
                "It was changed after it was made, or made by another user or on another machine.",
                "Make a new one with `ureg plan -out`. Where plan and apply run in different places, "
                "give both the same secret in UREG_PLAN_KEY.",
            )
        )
    return _validated(parts.content)


def is_signed(data: bytes, key: bytes) -> bool:
    """Whether `data` is a whole file that `encode` signed with `key`. Raises Invalid where it is no plan."""
    return _fits(_split(data), key)


def _split(data: bytes) -> _Parts:
    head = _HEAD.match(data)
    if head is None:
        raise _refused("is not a plan file", "It does not begin as `ureg plan -out` writes it.")
    if int(head[1]) != VERSION:
        raise _refused("is of another version", f"It has the format version {int(head[1])}; this ureg reads {VERSION}.")
    content = data[head.end() : -1]
    if head[2] is None or data[-1:] != b"}" or sha256(content).hexdigest().encode() != head[2]:
        raise _refused("is damaged", "It was cut short or changed since it was written.")
    return _Parts(head[3], content)


def _sign(content: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"ureg-plan %d\n%b" % (VERSION, content), sha256).hexdigest().encode()


def _fits(parts: _Parts, key: bytes) -> bool:
    return hmac.compare_digest(parts.signature, _sign(parts.content, key))


def _validated(content: bytes) -> SavedPlan:
    from pydantic import TypeAdapter, ValidationError

    try:
        saved = TypeAdapter(SavedPlan).validate_json(content, strict=True, extra="forbid")
        plan = saved.plan._replace(changes=tuple(_with_values(change) for change in saved.plan.changes))
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
    return saved._replace(plan=plan)


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
    return change._replace(differences=found)


def _unboxed(value: Any) -> Any:
    if not isinstance(value, list) or len(value) > 1:
        raise ValueError("A difference holds neither a value nor its absence")
    return value[0] if value else MISSING


def _refused(what: str, why: str) -> Invalid:
    return Invalid(Diagnostic("plan-invalid", f"This {what}", detail=why, hint="Make a new one with `ureg plan -out`."))
