"""Judges what components claim against each other: a value that two hold, versions that do not meet, and a component
that others depend on although it is on its way out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple, TypeAlias

import orjson

from reconciler.compiler.claims import Claims, Holding, Offer, Want, statements
from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Related, Severity
from reconciler.model.kind import ANYTHING, Catalogue
from reconciler.model.resource import Resource

MOST_PLACES = 20
"""How many places one finding names."""
MOST_CONTESTS = 100
"""How many values that are held twice are told."""
_SHOWN = 60

_Claimed: TypeAlias = Sequence[tuple[Resource, Claims]]


class _Holder(NamedTuple):
    """A component that holds something as its `number`-th value (from 0), and what keeps it apart."""

    resource: Resource
    number: int
    apart: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.apart.get(name, ANYTHING)


def check_claims(resources: Iterable[Resource], claimed: _Claimed, catalogue: Catalogue) -> Diagnostics:
    """What is wrong between `resources`, of which those in `claimed` claim something.

    Locations are without spans. Takes time in proportion to the claims, and to all references where there is a state
    to warn of; manifests are read for what is told.
    """
    found = (
        *_contests(claimed, catalogue),
        *_misfits(claimed, catalogue),
        *_warnings({resource.address: resource for resource, claims in claimed if claims.warns}, resources),
    )
    return tuple(sorted(found, key=_order))


def _order(finding: Diagnostic) -> tuple[str, str]:
    place = finding.location
    return finding.severity, f"{place.path} {place.document:09} {place.pointer}" if place else ""


# Values that only one may hold


def _contests(claimed: _Claimed, catalogue: Catalogue) -> Iterator[Diagnostic]:
    keys = list(chain.from_iterable([claims.held for _, claims in claimed]))
    if len(set(keys)) < len(keys):
        counts = Counter(keys)
        contested = chain.from_iterable(map(_rivals, _holders(claimed, counts).values()))
        for rivals in islice(contested, MOST_CONTESTS):
            yield _contest(rivals, catalogue)


def _holders(claimed: _Claimed, counts: Mapping[str, int]) -> Mapping[str, Sequence[_Holder]]:
    """Who holds what is held more than once, by its key. Of two components with one address the first counts."""
    holders: dict[str, list[_Holder]] = {}
    seen: set[Address] = set()
    for resource, claims in claimed:
        if resource.address in seen:
            continue
        seen.add(resource.address)
        for number, key in enumerate(claims.held):
            if counts[key] > 1:
                apart = orjson.loads(claims.apart[number])
                holders.setdefault(key, []).append(_Holder(resource, number, apart))
    return holders


def _rivals(holders: Sequence[_Holder]) -> Sequence[Sequence[_Holder]]:
    """The groups of two or more `holders` of one value whose first two nothing keeps apart from any in the group."""
    names = {name for holder in holders for name in holder.apart}
    groups = [holders] if len(holders) > 1 else []
    for name in sorted(names, key=lambda name: (sum(holder.text(name) == ANYTHING for holder in holders), name)):
        groups = [part for group in groups for part in _parted(group, name) if len(part) > 1]
    together: dict[tuple[int, ...], dict[int, _Holder]] = {}
    for group in groups:
        rivals = {id(one): one for one in sorted(group, key=_place)}
        together.setdefault(tuple(islice(rivals, 2)), {}).update(rivals)
    return [sorted(rivals.values(), key=_place) for rivals in together.values()]


def _place(holder: _Holder) -> tuple[str, int, int]:
    return holder.resource.path, holder.resource.document, holder.number


def _parted(holders: Sequence[_Holder], name: str) -> Iterator[Sequence[_Holder]]:
    """`holders` by the text called `name` that keeps them apart; who goes with any is with each of the others."""
    parts: dict[str, list[_Holder]] = {}
    for holder in holders:
        parts.setdefault(holder.text(name), []).append(holder)
    anywhere = parts.pop(ANYTHING, [])
    yield from ([*part, *anywhere] for part in parts.values()) if parts else [anywhere]


def _contest(rivals: Sequence[_Holder], catalogue: Catalogue) -> Diagnostic:
    first, second, *_ = rivals
    held = _held(second, catalogue)
    owner = "it already" if first.resource.address == second.resource.address else first.resource.address
    others = [rival for rival in rivals[: MOST_PLACES + 1] if rival is not second]
    where = _where(first, second)
    return Diagnostic(
        code="unique-taken",
        summary=f"{second.resource.address} wants the {held.scope} {str(held.value)[:_SHOWN]}, which {owner} has.",
        detail=f"Both are on {where}." if where else "",
        hint=f"Give one of them another {held.scope}.",
        location=second.resource.at(held.pointer),
        related=tuple(_has_it(other, catalogue) for other in others),
        address=second.resource.address,
    )


def _held(holder: _Holder, catalogue: Catalogue) -> Holding:
    said = statements(holder.resource, catalogue.kinds[holder.resource.kind.lower()])
    return [one for one in said if isinstance(one, Holding)][holder.number]


def _has_it(holder: _Holder, catalogue: Catalogue) -> Related:
    place = holder.resource.at(_held(holder, catalogue).pointer)
    return Related(f"{holder.resource.address} has it here", place)


def _where(one: _Holder, other: _Holder) -> str:
    """What both share of what could have kept them apart."""
    known = [{name: text for name, text in holder.apart.items() if text != ANYTHING} for holder in (one, other)]
    return ", ".join(f"{name} {text}" for name, text in {**known[0], **known[1]}.items())


# Versions


def _misfits(claimed: _Claimed, catalogue: Catalogue) -> Iterator[Diagnostic]:
    wanted: dict[Address, dict[str, list[Resource]]] = {}
    for resource, claims in claimed:
        for target, span in claims.wants:
            wanted.setdefault(target, {}).setdefault(span, []).append(resource)
    offered = {
        resource.address: (resource, claims.version) for resource, claims in claimed if resource.address in wanted
    }
    for target, (resource, version) in offered.items():
        refusing = _refusing(version, wanted[target]) if version else ()
        if refusing:
            ranges = sorted(wanted[target], key=lambda span: (span not in refusing, span))
            wants = [(one, span) for span in ranges for one in wanted[target][span]]
            yield _misfit(resource, version, wants, catalogue)


def _refusing(version: str, ranges: Collection[str]) -> Sequence[str]:
    """Those of `ranges` that `version`, or all of the range `version`, is not in."""
    if not ranges:
        return ()
    from reconciler.compiler.versions import contains, is_range, meet

    if is_range(version):
        return () if meet([version, *ranges]) else list(ranges)
    return [span for span in ranges if not contains(span, version)]


def _misfit(
    resource: Resource, version: str, wants: Sequence[tuple[Resource, str]], catalogue: Catalogue
) -> Diagnostic:
    from reconciler.compiler.versions import meet

    told = [f"{wanting.address} wants {span}" for wanting, span in wants[:MOST_PLACES]]
    more = [f"{len(wants) - MOST_PLACES} more want something too"] if len(wants) > MOST_PLACES else []
    possible = meet({span for _, span in wants})
    places = chain.from_iterable(_wanted_at(one, resource.address, catalogue) for one, _ in wants[:MOST_PLACES])
    offers = statements(resource, catalogue.kinds[resource.kind.lower()])
    return Diagnostic(
        code="version-unsatisfied",
        summary=f"{resource.address} has the version {version}, which does not do for all who need it.",
        detail=f"{'; '.join(told + more)}.",
        hint="Change its version." if possible else "No version does for all of them: one of them has to change.",
        location=resource.at(next((offer.pointer for offer in offers if isinstance(offer, Offer)), ())),
        related=tuple(dict.fromkeys(places)),
        address=resource.address,
    )


def _wanted_at(resource: Resource, target: Address, catalogue: Catalogue) -> Iterator[Related]:
    for said in statements(resource, catalogue.kinds[resource.kind.lower()]):
        if isinstance(said, Want) and said.target == target:
            yield Related(f"{resource.address} wants {said.range}", resource.at(said.pointer))


# States that warn


def _warnings(leaving: Mapping[Address, Resource], resources: Iterable[Resource]) -> Iterator[Diagnostic]:
    dependents: dict[Address, list[tuple[Address, Location]]] = {}
    for resource in resources if leaving else ():
        for target, pointer in resource.references:
            if target in leaving:
                dependents.setdefault(target, []).append((resource.address, resource.at(pointer)))
    for target, places in dependents.items():
        yield _warning(leaving[target], places)


def _warning(resource: Resource, places: Sequence[tuple[Address, Location]]) -> Diagnostic:
    names = list(dict.fromkeys(address for address, _ in places))
    more = f" and {len(names) - 1} more depend" if len(names) > 1 else " depends"
    asked = Related(f"{resource.address} is to be {resource.state}", resource.at(("state",)))
    others = [Related(f"{address} depends on it", place) for address, place in places[1:MOST_PLACES]]
    return Diagnostic(
        code="deprecated",
        summary=f"{resource.address} is {resource.state}, and {names[0]}{more} on it.",
        hint="Make them go without it before it is taken away.",
        location=places[0][1],
        related=(asked, *others),
        address=resource.address,
        severity=Severity.WARNING,
    )
