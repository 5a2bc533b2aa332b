"""The differences of two manifests, field by field.

Objects are compared by key; lists with `x-key` by that key; other lists in order, aligned so that an item put in front
is one addition. A pointer into a list holds the index after the change, for a removed item the one before it. Where
keyed items changed places, that is one difference of the list itself, told by the keys in their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import Any, TypeAlias

import orjson

from reconciler.model.change import MISSING, Difference
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import NO_FIELDS, Field

SENSITIVE = "(sensitive)"
"""Stands for a value that is never shown."""

MAX_PLACES = 1_000_000
MAX_MATCHES = 20_000
"""Lists with more pairs of places, or more pairs of equal items, are compared by index: aligning takes too long."""

_Pairs: TypeAlias = Sequence[tuple[int | None, int | None]]
"""Places before and after; None where an item was added or removed."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any], fields: Field) -> tuple[Difference, ...]:
    """Where two manifests differ, by sorted keys; empty if and only if they are the same JSON."""
    return tuple(_compare((), before, after, fields, fixed=False))


def _compare(at: Pointer, before: Any, after: Any, field: Field, fixed: bool) -> Iterator[Difference]:
    fixed = fixed or field.immutable
    if _canonical(before) == _canonical(after):
        return
    if isinstance(before, dict) and isinstance(after, dict) and not field.sensitive:
        yield from _compare_objects(at, before, after, field, fixed)
    elif isinstance(before, list) and isinstance(after, list) and not field.sensitive:
        yield from _compare_lists(at, before, after, field, fixed)
    else:
        yield _whole(at, before, after, field, fixed)


def _compare_objects(
    at: Pointer, before: dict[str, Any], after: dict[str, Any], field: Field, fixed: bool
) -> Iterator[Difference]:
    for key in sorted({**before, **after}):
        old, new = before.get(key, MISSING), after.get(key, MISSING)
        if isinstance(old, str) and old == new:
            continue
        child = _child(field, key)
        if old is MISSING or new is MISSING:
            yield _whole((*at, key), old, new, child, fixed)
        else:
            yield from _compare((*at, key), old, new, child, fixed)


def _compare_lists(at: Pointer, before: list[Any], after: list[Any], field: Field, fixed: bool) -> Iterator[Difference]:
    old, new = _places(before, field.key), _places(after, field.key)
    if old is None or new is None:
        yield from _compare_items(at, before, after, _aligned(before, after), field.items or NO_FIELDS, fixed)
        return
    pairs: _Pairs = [(old.get(key), new.get(key)) for key in {**old, **new}]
    yield from _compare_items(at, before, after, pairs, field.items or NO_FIELDS, fixed)
    order_before, order_after = [key for key in old if key in new], [key for key in new if key in old]
    if order_before != order_after:
        yield Difference(at, order_before, order_after, forces_replacement=fixed)


def _compare_items(
    at: Pointer, before: list[Any], after: list[Any], pairs: _Pairs, item: Field, fixed: bool
) -> Iterator[Difference]:
    for old, new in pairs:
        if old is not None and new is not None:
            yield from _compare((*at, new), before[old], after[new], item, fixed)
        elif old is not None:
            yield _whole((*at, old), before[old], MISSING, item, fixed)
        elif new is not None:
            yield _whole((*at, new), MISSING, after[new], item, fixed)


def _places(items: list[Any], key: str) -> Mapping[str | int, int] | None:
    """The items' places by their key; None where they cannot be told apart by it."""
    places: dict[str | int, int] = {}
    for place, item in enumerate(items):
        value = item.get(key) if isinstance(item, dict) else None
        if not isinstance(value, str | int) or isinstance(value, bool) or value in places:
            return None
        places[value] = place
    return places if key else None


def _aligned(before: list[Any], after: list[Any]) -> _Pairs:
    """Which item of `before` became which of `after`; equal items at both ends are left out."""
    old, new = [_canonical(item) for item in before], [_canonical(item) for item in after]
    shorter = min(len(old), len(new))
    head = next((place for place in range(shorter) if old[place] != new[place]), shorter)
    rest = shorter - head
    tail = next((place for place in range(rest) if old[-1 - place] != new[-1 - place]), rest)
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    pairs: list[tuple[int | None, int | None]] = []
    i = j = head
    for gap_old, gap_new in _gaps(old, new):
        pairs += zip_longest(range(i, i + gap_old), range(j, j + gap_new))
        i, j = i + gap_old + 1, j + gap_new + 1
    return pairs


def _gaps(old: list[bytes], new: list[bytes]) -> Sequence[tuple[int, int]]:
    """How many items, before and after, stand in front of each item that is kept, and behind the last one."""
    kept = _kept(old, new) if _worth_matching(old, new) else []
    ends = [(-1, -1), *kept, (len(old), len(new))]
    return [(i - above - 1, j - left - 1) for (above, left), (i, j) in pairwise(ends)]


def _worth_matching(old: list[bytes], new: list[bytes]) -> bool:
    if len(old) * len(new) > MAX_PLACES:
        return False
    counts = Counter(new)
    return 0 < sum(counts[item] for item in old) <= MAX_MATCHES


def _kept(old: list[bytes], new: list[bytes]) -> Sequence[tuple[int, int]]:
    """The places of the items that stayed as they are: those of which deepdiff says nothing."""
    from deepdiff import DeepDiff

    names = {item: str(number) for number, item in enumerate(dict.fromkeys((*old, *new)))}
    tree = DeepDiff([names[item] for item in old], [names[item] for item in new], view="tree")
    gone, come = set(), set()
    for found, level in ((found, level) for found, levels in tree.items() for level in levels):
        (place,) = level.path(output_format="list")
        if found != "iterable_item_added":
            gone.add(level.up.t1_child_rel.param if level.up.t1_child_rel else place)
        if found != "iterable_item_removed":
            come.add(level.up.t2_child_rel.param if level.up.t2_child_rel else place)
    return list(
        zip(
            (place for place in range(len(old)) if place not in gone),
            (place for place in range(len(new)) if place not in come),
            strict=True,
        )
    )


def _whole(at: Pointer, before: Any, after: Any, field: Field, fixed: bool) -> Difference:
    forces = fixed or _holds_immutable(before, field) or _holds_immutable(after, field)
    return Difference(at, _masked(before, field), _masked(after, field), field.sensitive, forces)


def _masked(value: Any, field: Field) -> Any:
    if value is MISSING or field is NO_FIELDS:
        return value
    if field.sensitive:
        return SENSITIVE
    if isinstance(value, dict):
        return {key: _masked(item, _child(field, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, field.items or NO_FIELDS) for item in value]
    return value


def _holds_immutable(value: Any, field: Field) -> bool:
    if value is MISSING or field is NO_FIELDS:
        return False
    if field.immutable:
        return True
    if isinstance(value, dict):
        return any(_holds_immutable(item, _child(field, key)) for key, item in value.items())
    return isinstance(value, list) and any(_holds_immutable(item, field.items or NO_FIELDS) for item in value)


def _child(field: Field, key: str) -> Field:
    return field.properties.get(key) or field.additional or NO_FIELDS


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
