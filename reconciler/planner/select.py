"""Which components a plan is about: `-target` and `-exclude`, with what they depend on or what depends on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Diagnostics
from reconciler.model.plan import Mode, Options
from reconciler.model.record import Record
from reconciler.model.resource import Resource, mention

Resources: TypeAlias = Mapping[Address, Resource]
Records: TypeAlias = Mapping[Address, Record]


def unknown_addresses(resources: Resources, records: Records, options: Options) -> Diagnostics:
    """An error for each address in `options` that is neither desired nor recorded."""
    return tuple(
        _unknown(flag, address, (*resources, *records))
        for flag, addresses in (
            ("-target", options.targets),
            ("-exclude", options.excludes),
            ("-replace", options.replace),
        )
        for address in addresses
        if address not in resources and address not in records
    )


def select(resources: Resources, records: Records, options: Options) -> set[Address] | None:
    """The addresses that the plan is about; None for all.

    A target brings what it depends on, an excluded component keeps out what depends on it; where everything is to be
    destroyed it is the other way round. A desired component depends on what its manifest names, any other on what its
    record does.
    """
    if not options.targets and not options.excludes:
        return None
    needs = {address: record.dependencies for address, record in records.items() if address not in resources}
    needs.update({address: resource.dependencies for address, resource in resources.items()})
    brings, keeps_out = needs, _reversed(needs)
    if options.mode is Mode.DESTROY:
        brings, keeps_out = keeps_out, brings
    chosen = _closure(options.targets, brings) if options.targets else set(needs)
    return chosen - _closure(options.excludes, keeps_out)


def dependents(resources: Resources, records: Records, changing: Collection[Address]) -> dict[Address, set[Address]]:
    """What depends on each of `changing`, by its manifest or by its record. Only of these themselves can the record
    name something else than the manifest."""
    found: dict[Address, set[Address]] = {address: set() for address in changing}
    mentioned = mention(changing)
    for address, resource in resources.items():
        if mentioned(resource.references):
            for reference in resource.references:
                if reference.target in found:
                    found[reference.target].add(address)
    for address in changing:
        record = records.get(address)
        for dependency in record.dependencies if record else ():
            if dependency in found:
                found[dependency].add(address)
    return found


def _reversed(edges: Mapping[Address, tuple[Address, ...]]) -> dict[Address, tuple[Address, ...]]:
    found: dict[Address, list[Address]] = {}
    for address, targets in edges.items():
        for target in targets:
            found.setdefault(target, []).append(address)
    return {address: tuple(sources) for address, sources in found.items()}


def _closure(start: Iterable[Address], edges: Mapping[Address, tuple[Address, ...]]) -> set[Address]:
    seen = set(start)
    waiting = list(seen)
    while waiting:
        fresh = [address for address in edges.get(waiting.pop(), ()) if address not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return seen


def _unknown(flag: str, address: Address, known: Iterable[Address]) -> Diagnostic:
    from difflib import get_close_matches

    close = get_close_matches(address, set(known), n=1)
    return Diagnostic(
        "address-unknown",
        f"{flag}: there is no {address}",
        detail="No manifest and no record has this address.",
        hint=f"Did you mean {close[0]}?" if close else "`ureg state list` and `ureg get` show what there is.",
        address=address,
    )
