"""What stops a plan: deletes that would break a reference, and more deletes than anyone is likely to mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Diagnostics
from reconciler.model.plan import Guard
from reconciler.model.record import Record
from reconciler.model.resource import Resource
from reconciler.model.settings import Guards

FEW = 5
"""Fewer deletes than these are never too large a part."""

REFERENCED = "delete-referenced"


def limits(deletes: int, recorded: int, guards: Guards) -> tuple[Guard, ...]:
    """The guard "deletes" where `deletes` of `recorded` components are too many."""
    many = deletes > guards.max_deletes
    large = deletes >= FEW and deletes * 100 > guards.max_delete_percent * recorded
    if not many and not large:
        return ()
    limit = f"at most {guards.max_deletes}" if many else f"at most {guards.max_delete_percent} % of them"
    return (
        Guard(
            "deletes",
            f"This plan would delete {deletes} of {recorded} recorded components; the guard allows {limit}. "
            "Is the whole registry there? If the deletes are meant, go on with -override-guard deletes.",
        ),
    )


def referenced_deletes(
    deletes: Set[Address],
    dependents: Mapping[Address, Set[Address]],
    resources: Mapping[Address, Resource],
    records: Mapping[Address, Record],
    selected: Callable[[Address], bool],
) -> Diagnostics:
    """An error for each component that stays in the state and refers to one of `deletes`.

    A component that the plan is about will depend on what its manifest names; any other stays as it is recorded.
    """
    found: list[Diagnostic] = []
    for address in sorted(deletes):
        for referrer in sorted(dependents.get(address, set()) - deletes):
            if selected(referrer) and referrer in resources:
                found += _by_manifest(address, resources[referrer])
            elif referrer in records and address in records[referrer].dependencies:
                found.append(_by_record(address, records[referrer]))
    return tuple(found)


def _by_manifest(address: Address, referrer: Resource) -> Diagnostics:
    return tuple(
        Diagnostic(
            REFERENCED,
            f"{address} would be deleted, but {referrer.address} depends on it",
            detail=f"{address} has no manifest any more.",
            hint=f"Take the reference out, or bring the manifest of {address} back.",
            location=referrer.at(reference.pointer),
            address=address,
        )
        for reference in referrer.references
        if reference.target == address
    )


def _by_record(address: Address, referrer: Record) -> Diagnostic:
    place = f" (applied from {referrer.source})" if referrer.source else ""
    return Diagnostic(
        REFERENCED,
        f"{address} would be deleted, but {referrer.address} depends on it",
        detail=f"{referrer.address}{place} is recorded with this dependency, and this plan leaves it as it is.",
        hint=f"Let the plan include {referrer.address}, or leave out {address}: -exclude {address}.",
        address=address,
    )
