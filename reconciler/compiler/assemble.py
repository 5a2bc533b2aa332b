"""All resources become one desired state: no address twice, every reference resolved, no cycle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TypeAlias

from reconciler.compiler.suggest import did_you_mean
from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Related
from reconciler.model.resource import DesiredState, Reference, Resource, Revision

MAX_SUGGESTIONS = 10
"""For how many unknown addresses a similar one is looked for."""

_PATH_LIMIT = 20

_Table: TypeAlias = Mapping[Address, Resource]


def assemble(
    resources: Iterable[Resource], revision: Revision, schemas: str
) -> tuple[DesiredState | None, Diagnostics]:
    """The desired state that `resources` add up to, or None and every reason why they do not.

    Locations are without spans, since the texts are not at hand here. Takes time in proportion to the number of
    resources and references. Of cycles that share a component one is told.
    """
    table: dict[Address, Resource] = {}
    repeated: dict[Address, list[Resource]] = {}
    for resource in resources:
        first = table.setdefault(resource.address, resource)
        if first is not resource:
            repeated.setdefault(resource.address, [first]).append(resource)
    table = {address: table[address] for address in sorted(table)}
    found = (*_duplicates(repeated), *_dangling(table), *_cycles(table))
    return (None, found) if found else (DesiredState(table, revision, schemas), ())


def assemble_again(resources: Iterable[Resource], revision: Revision, schemas: str) -> DesiredState:
    """The desired state of `resources` that `assemble` found nothing wrong with before."""
    table = {resource.address: resource for resource in resources}
    return DesiredState({address: table[address] for address in sorted(table)}, revision, schemas)


def _duplicates(repeated: Mapping[Address, list[Resource]]) -> Iterator[Diagnostic]:
    for address in sorted(repeated):
        first, *others = sorted(repeated[address], key=attrgetter("path", "document"))
        yield from (_duplicate(other, first) for other in others)


def _duplicate(second: Resource, first: Resource) -> Diagnostic:
    return Diagnostic(
        code="duplicate-address",
        summary=f"{second.address} is defined twice.",
        hint="Rename or remove one of the two.",
        location=_defined(second),
        related=(Related("first defined here", _defined(first)),),
        address=second.address,
    )


def _defined(resource: Resource) -> Location:
    """Where its name stands, or for a plain file the file."""
    return resource.at(("metadata", "name"))


def _dangling(table: _Table) -> Iterator[Diagnostic]:
    hints: dict[Address, str] = {}
    for resource in table.values():
        for target, pointer in resource.references:
            if target in table:
                continue
            if target not in hints:
                similar = _similar(target, table) if len(hints) < MAX_SUGGESTIONS else ""
                hints[target] = _outside(resource.address, target, table) or similar
            yield Diagnostic(
                code="reference-unknown",
                summary=f"{resource.address} refers to {target}, which does not exist.",
                hint=hints[target],
                location=resource.at(pointer),
                address=target,
            )


def _outside(address: Address, target: Address, table: _Table) -> str:
    """What to do where `target` is no component of the sub-registry of `address`, but one of a registry around it."""
    own = parse_address(address).registry
    outer = own
    while outer and target.startswith(f"{own}:"):
        outer = outer.rpartition(":")[0]
        meant = f"{outer}:{target[len(own) + 1 :]}".removeprefix(":")
        if meant in table:
            return f"{meant} is outside of {own}: its parent may list it under exports."
    return ""


def _similar(target: Address, table: _Table) -> str:
    kind = target.partition("/")[0] + "/"
    return did_you_mean(target, [address for address in table if address.startswith(kind)]) or did_you_mean(
        target, table
    )


def _cycles(table: _Table) -> Iterator[Diagnostic]:
    """Peels off what depends on nothing that waits, until only cycles and what depends on them are left."""
    waiting: dict[Address, int] = {}
    dependents: dict[Address, list[Address]] = {}
    for address, resource in table.items():
        if resource.references:
            waiting[address] = len(resource.references)
            for target, _ in resource.references:
                dependents.setdefault(target, []).append(address)
    _release([target for target in dependents if target not in waiting], waiting, dependents)
    for start in sorted(waiting):
        for cycle in _cycles_from(start, table, waiting, dependents):
            yield _cycle(cycle)


def _release(freed: list[Address], waiting: dict[Address, int], dependents: Mapping[Address, list[Address]]) -> None:
    """Takes from `waiting` all that waits for nothing but `freed`."""
    while freed:
        for dependent in dependents.get(freed.pop(), ()):
            if dependent in waiting:
                waiting[dependent] -= 1
                if not waiting[dependent]:
                    del waiting[dependent]
                    freed.append(dependent)


_Edge: TypeAlias = tuple[Resource, Reference]


def _cycles_from(
    start: Address, table: _Table, waiting: dict[Address, int], dependents: Mapping[Address, list[Address]]
) -> Iterator[list[_Edge]]:
    """The cycles that are met on the way from `start`; each is taken from `waiting`.

    Whatever waits refers to something that waits, so every way ends in a cycle.
    """
    edges: list[_Edge] = []
    place: dict[Address, int] = {}
    current = start
    while current in waiting:
        place[current] = len(edges)
        edges.append((table[current], next(one for one in table[current].references if one.target in waiting)))
        current = edges[-1][1].target
        if current not in place:
            continue
        cycle = edges[place[current] :]
        yield cycle
        del edges[place[current] :]
        members = [resource.address for resource, _ in cycle]
        for member in members:
            del waiting[member]
        _release(members, waiting, dependents)
        while edges and edges[-1][0].address not in waiting:
            edges.pop()
        place = {resource.address: index for index, (resource, _) in enumerate(edges)}
        current = edges.pop()[0].address if edges else start


def _cycle(edges: list[_Edge]) -> Diagnostic:
    first = min(range(len(edges)), key=lambda index: edges[index][0].address)
    edges = edges[first:] + edges[:first]
    names = [resource.address for resource, _ in edges]
    more = [f"({len(names) - _PATH_LIMIT} more)"] if len(names) > _PATH_LIMIT else []
    return Diagnostic(
        code="dependency-cycle",
        summary=f"These depend on each other: {' -> '.join([*names[:_PATH_LIMIT], *more, names[0]])}.",
        hint="Remove one of the references.",
        location=edges[0][0].at(edges[0][1].pointer),
        related=tuple(
            Related(f"{resource.address} refers to {reference.target}", resource.at(reference.pointer))
            for resource, reference in edges
        ),
        address=names[0],
    )
