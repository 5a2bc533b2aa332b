"""Puts components on nodes before they are planned, and knows on which nodes nobody can look.

What the kinds say decides who is on a node and who is one; a registry without nodes pays next to nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from operator import attrgetter, contains
from typing import TYPE_CHECKING, NamedTuple

from reconciler.compiler.kinds import hosts, node_field
from reconciler.engine.desired import Reads, locate_in
from reconciler.model.address import Address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Severity, errors
from reconciler.model.kind import Catalogue
from reconciler.model.record import Record
from reconciler.model.resource import DesiredState, Reference, Resource
from reconciler.model.settings import Settings, is_database
from reconciler.ports import CompileCache, DriverFor

if TYPE_CHECKING:
    from reconciler.planner.place import Rules

_AT_ONCE = 8
"""How many nodes are asked for their health at once."""


class Settled(NamedTuple):
    """`desired` has a node in each manifest that left it open, but for those of which `diagnostics` hold an error.
    `visible` are the records of which the world can be seen."""

    desired: DesiredState
    visible: Mapping[Address, Record]
    diagnostics: Diagnostics


def settle(
    desired: DesiredState,
    texts: Reads,
    records: Mapping[Address, Record],
    settings: Settings,
    cache: CompileCache,
    catalogue: Catalogue,
    driver_for: DriverFor,
    look: bool,
) -> Settled:
    """Puts what is `desired` on nodes; `texts` reads its files. With `look` the recorded nodes are asked how they are:
    from one that cannot work, what gives labels moves, and what is on it counts as it is recorded. What only one on a
    node may have is judged again, for now it is known who is on one."""
    if not _in_use(desired.resources, records, catalogue):
        return Settled(desired, records, ())
    rules = rules_of(catalogue, settings.state)
    unfit = _unfit_nodes(records, rules, catalogue, driver_for) if look else {}
    put, problems = _put(desired, records, rules, unfit)
    problems += _contests(put, desired, cache, catalogue)
    visible, warnings = _within_reach(records, rules, unfit)
    placed = desired._replace(resources={**desired.resources, **put}) if put else desired
    return Settled(placed, visible, (*locate_in(problems, texts), *warnings))


def rules_of(catalogue: Catalogue, state: str) -> Rules:
    """What the kinds say of placing; `state` is the setting that says where the recorded state is."""
    from reconciler.planner.place import Rules

    return Rules(_fields(catalogue), _hosts(catalogue), is_database(state))


def where(record: Record, catalogue: Catalogue) -> str:
    """The name of the node that a recorded component is on; "" for one that is on none."""
    field = _fields(catalogue).get(record.kind)
    if field is None:
        return ""
    from reconciler.planner.place import node_of

    return node_of(record.manifest, field)


def _fields(catalogue: Catalogue) -> dict[str, str]:
    return {kind.name: field for kind in catalogue.kinds.values() if (field := node_field(kind))}


def _hosts(catalogue: Catalogue) -> dict[str, str]:
    return {kind.name: state for kind in catalogue.kinds.values() if (state := hosts(kind))}


def _in_use(resources: Mapping[Address, Resource], records: Mapping[Address, Record], catalogue: Catalogue) -> bool:
    """Whether there is a node, or a component that asks for one."""
    kinds = set(map(attrgetter("kind"), resources.values()))
    hosts = _hosts(catalogue)
    if not kinds.isdisjoint(hosts) or any(any(map(contains, records, repeat(f"{name.lower()}/"))) for name in hosts):
        return True
    for kind, field in _fields(catalogue).items():
        manifests = [r.manifest for r in resources.values() if r.kind == kind] if kind in kinds else ()
        if any(map(contains, manifests, repeat(f'"{field}":'.encode()))):
            return True
    return False


def _unfit_nodes(
    records: Mapping[Address, Record], rules: Rules, catalogue: Catalogue, driver_for: DriverFor
) -> Mapping[Address, str]:
    """The recorded nodes that are not healthy, each with the reason."""
    from reconciler.engine.health import check

    nodes = [record for record in records.values() if record.kind in rules.hosts]
    checked = check(nodes, catalogue, driver_for, _AT_ONCE) if nodes else ()
    return {record.address: health.message for record, health in checked if not health.healthy}


def _put(
    desired: DesiredState, records: Mapping[Address, Record], rules: Rules, unfit: Iterable[Address]
) -> tuple[Mapping[Address, Resource], Diagnostics]:
    """What gave labels, with the node that it is on now."""
    from reconciler.planner.place import place

    placed = place(desired.resources, records, rules, frozenset(unfit))
    put = {
        address: _put_on(desired.resources[address], rules.fields[desired.resources[address].kind], node)
        for address, node in placed.nodes.items()
    }
    return put, placed.diagnostics


def _contests(
    put: Mapping[Address, Resource], desired: DesiredState, cache: CompileCache, catalogue: Catalogue
) -> Diagnostics:
    """What is wrong between components now that it is known who is on a node; all else that is wrong is known. What
    they claimed before is looked at beside it, so that the cache keeps both."""
    if not put:
        return ()
    from reconciler.engine.claims import check_across

    return tuple(errors(check_across((*put.values(), *desired.resources.values()), cache, catalogue)))


def _put_on(resource: Resource, field: str, node: Address) -> Resource:
    from reconciler.compiler.prefix import with_body
    from reconciler.planner.place import node_name

    body = resource.body()
    body["spec"][field] = node_name(node)
    reference = Reference(node, ("spec", field))
    return with_body(resource, body)._replace(references=(*resource.references, reference))


def _within_reach(
    records: Mapping[Address, Record], rules: Rules, unfit: Mapping[Address, str]
) -> tuple[Mapping[Address, Record], Diagnostics]:
    """Leaves out what is on a node that is `unfit`: nobody can tell how it is."""
    from reconciler.planner.place import node_name, node_of

    if not unfit:
        return records, ()
    names = {node_name(address): address for address in unfit}
    on = {a: node_of(r.manifest, rules.fields[r.kind]) for a, r in records.items() if r.kind in rules.fields}
    blind = {address: names[name] for address, name in on.items() if name in names}
    visible = {address: record for address, record in records.items() if address not in blind}
    return visible, tuple(_unseen(address, unfit[address]) for address in sorted(set(blind.values())))


def _unseen(node: Address, why: str) -> Diagnostic:
    return Diagnostic(
        "node-silent",
        f"What is on {node} cannot be seen: {why}",
        detail="It is taken to be as it is recorded.",
        address=node,
        severity=Severity.WARNING,
    )
