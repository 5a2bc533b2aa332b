"""What a component claims beyond its own manifest: values that only one may hold, the version it has, the versions it
wants of others, and a state that warns those who depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from reconciler.compiler.checked import Place, checked_places
from reconciler.compiler.kinds import deprecated, holding
from reconciler.compiler.manifest import to_target
from reconciler.model.address import Address
from reconciler.model.diagnostics import Pointer
from reconciler.model.kind import NO_FIELDS, Apart, Field, Kind, Unique
from reconciler.model.resource import Resource


class Claims(NamedTuple):
    """What has to be known of every component; all of it is JSON. The places are found when there is one to tell.

    `held` are the keys of what it holds, `apart` for each of them what keeps it apart, as JSON. `wants` are the
    addresses of others with the range that each must be in. `version` is what it has, or the range that it may have, ""
    where it does not say. `warns` says that its state does.
    """

    held: Sequence[str]
    apart: Sequence[str]
    wants: Sequence[Sequence[str]]
    version: str
    warns: bool


class Holding(NamedTuple):
    """`value` is held within `scope`; `apart` are the texts that keep it apart from others, by their names."""

    scope: str
    value: Any
    apart: dict[str, str]
    pointer: Pointer

    @property
    def key(self) -> str:
        """The same for whoever could hold this value."""
        return f"{self.scope} {orjson.dumps(self.value).decode()}"


class Want(NamedTuple):
    """The component at `target` must have a version in `range`."""

    target: Address
    range: str
    pointer: Pointer


class Offer(NamedTuple):
    """A version, or a range of versions, that a component has."""

    version: str
    pointer: Pointer


def may_claim(kind: Kind) -> bool:
    """Whether components of `kind` can claim anything at all."""
    return kind.fields.checked or bool(deprecated(kind))


def claimants(resources: Iterable[Resource], kinds: Iterable[Kind]) -> list[Resource]:
    """Those of `resources`, of these `kinds` or of others, that may claim something. A manifest is searched and not
    read: what has no property that is asked for claims nothing."""
    telling = {kind.name: (_needles(kind), deprecated(kind)) for kind in kinds if may_claim(kind)}
    found = []
    for resource in resources:
        if resource.kind in telling:
            needles, warning = telling[resource.kind]
            if resource.state in warning or any(needle in resource.manifest for needle in needles):
                found.append(resource)
    return found


def _needles(kind: Kind) -> tuple[bytes, ...]:
    return tuple({f'"{name}":'.encode() if name else b"" for name in _telling(kind.fields, "")})


def _telling(field: Field, name: str) -> Iterator[str]:
    """The names of the properties in which, or in whose items, a claim stands; `name` is that of `field` itself."""
    if field.check and (field.check.unique or field.check.requires or field.check.version):
        yield name
    for key, below in field.properties.items():
        if below.checked:
            yield from _telling(below, key)
    for inner in (field.items, field.additional):
        if inner and inner.checked:
            yield from _telling(inner, name)


def claims(resource: Resource, kind: Kind) -> Claims:
    """What `resource` of the kind `kind` claims. It follows from the manifest, the state and the schemas alone. Reads
    the manifest."""
    said = list(statements(resource, kind))
    holdings = [one for one in said if isinstance(one, Holding)]
    return Claims(
        held=[one.key for one in holdings],
        apart=[orjson.dumps(one.apart).decode() for one in holdings],
        wants=[(one.target, one.range) for one in said if isinstance(one, Want)],
        version=next((one.version for one in said if isinstance(one, Offer)), ""),
        warns=resource.state in deprecated(kind),
    )


def statements(resource: Resource, kind: Kind) -> Iterator[Holding | Want | Offer]:
    """What `resource` holds, wants and offers, with the places in its document. Reads the manifest."""
    holds = resource.state in holding(kind)
    for place in _places(resource, kind):
        if holds and place.check.unique:
            yield from _holdings(place.check.unique, place)
        if place.check.requires:
            yield from _wants(place.check.requires, place)
        if place.check.version and isinstance(place.value, str):
            yield Offer(place.value, place.pointer)


def _places(resource: Resource, kind: Kind) -> Iterable[Place]:
    if not kind.fields.checked:
        return ()
    body = resource.body()
    return checked_places(kind.fields, body["spec"] if kind.files else body)


def _holdings(unique: Unique, place: Place) -> Iterator[Holding]:
    """Nothing where the manifest does not tell what keeps the value apart."""
    apart = {one.name: _text(one, place) for one in unique.apart}
    told = {name: text for name, text in apart.items() if text is not None}
    if isinstance(place.value, str | int | float) and len(told) == len(apart):
        yield Holding(unique.scope, place.value, told, place.pointer)


def _text(apart: Apart, place: Place) -> str | None:
    value, field = place.nearest(apart.field) if apart.field else (None, NO_FIELDS)
    if value is None:
        return apart.otherwise
    if isinstance(value, dict | list):
        return None
    text = _named(field, str(value))
    return apart.values.get(text, text)


def _wants(names: tuple[str, str], place: Place) -> Iterator[Want]:
    name, span = (place.value.get(key) for key in names) if isinstance(place.value, dict) else (None, None)
    if isinstance(name, str) and isinstance(span, str):
        target = _named(place.field.properties.get(names[0], NO_FIELDS), name)
        yield Want(target, span, (*place.pointer, names[1]))


def _named(field: Field, text: str) -> str:
    """The address that `text` means where it refers to a component, else `text`."""
    return to_target(text, field.references) if field.references else text
