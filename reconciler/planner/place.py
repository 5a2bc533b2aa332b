"""Which node each component is on, where its manifest leaves that open.

A component that names its node has it. One that gives labels keeps the node that it is recorded on for as long as that
takes work; otherwise it gets one by rendezvous hashing: each pair of a component and a node has a weight of its own,
and of the nodes with these labels and with room the heaviest wins. So the same registry is placed in the same way
anywhere, and as nodes come and go nothing moves but what was on a node that no longer takes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Severity
from reconciler.model.record import Record
from reconciler.model.resource import Reference, Resource

LOCAL = "local"
"""The node that ureg itself runs on."""

_NAMED = 5
"""How many nodes a sentence names."""


class Rules(NamedTuple):
    """What the kinds say of placing. `fields` are those whose components are on nodes, each with the property of the
    spec that tells which; `hosts` are those whose components are nodes, each with the state in which they take work.
    `remote` says that work can reach other nodes than the local one."""

    fields: Mapping[str, str]
    hosts: Mapping[str, str]
    remote: bool


class Placed(NamedTuple):
    """The node (its address) of each component that gives labels."""

    nodes: Mapping[Address, Address]
    diagnostics: Diagnostics


class _Node(NamedTuple):
    """A node as its manifest has it. `takes` says that it is in the state in which it takes work, `registry` is the
    prefix of the sub-registry that it belongs to."""

    resource: Resource
    name: str
    registry: str
    labels: Mapping[str, str]
    slots: float
    takes: bool

    @property
    def address(self) -> Address:
        return self.resource.address


class _Wish(NamedTuple):
    """A component that gives labels, and the nodes that would do."""

    resource: Resource
    labels: Mapping[str, str]
    nodes: Sequence[_Node]


def place(
    resources: Mapping[Address, Resource], records: Mapping[Address, Record], rules: Rules, unfit: Collection[Address]
) -> Placed:
    """The nodes of `resources` that give labels, and what is wrong with these and with the nodes that others name.

    `unfit` are nodes that should take work and cannot: what is on one of them moves where there is another. Costs next
    to nothing where no component is on a node. Locations are without spans.
    """
    nodes = {r.address: _node(r, rules.hosts[r.kind]) for r in resources.values() if r.kind in rules.hosts}
    placeable = [(r, rules.fields[r.kind]) for r in resources.values() if r.kind in rules.fields]
    pinned = [(r, nodes[at.target]) for r, field in placeable if nodes for at in _references(r, field, nodes)]
    problems = [found for r, node in pinned if (found := _misnamed(r, node, records.get(r.address), rules))]
    wishes = _wishes(placeable, list(nodes.values()), rules)
    room = {address: node.slots for address, node in nodes.items()}
    for _, node in pinned:
        room[node.address] -= 1
    placing = _Placing(room, unfit)
    homes = {wish.resource.address: _home(wish, records, rules) for wish in wishes}
    for wish in wishes:
        placing.keep(wish, homes[wish.resource.address])
    homeless = [wish for wish in wishes if not placing.find(wish, homes[wish.resource.address])]
    problems += [_no_node(wish, nodes.values(), rules) for wish in homeless]
    return Placed(placing.chosen, tuple(problems))


def node_of(manifest: bytes, field: str) -> str:
    """The name of the node that a component's manifest says it is on, in its property `field`; LOCAL where it is on the
    machine that ureg runs on."""
    if f'"{field}":"'.encode() not in manifest:
        return LOCAL
    text = orjson.loads(manifest).get("spec", {}).get(field)
    name = node_name(text) if isinstance(text, str) else LOCAL
    return LOCAL if is_local(name) else name


def node_name(text: str) -> str:
    """The name of a node by its address or by its name: `node-a`, `payments:node-a` in a sub-registry."""
    if "/" not in text:
        return text
    parts = parse_address(text)
    return f"{parts.registry}:{parts.name}" if parts.registry else parts.name


def is_local(name: str) -> bool:
    return name.rpartition(":")[2] == LOCAL


class _Placing:
    """Gives out the `room` that there is on nodes, by their addresses."""

    def __init__(self, room: dict[Address, float], unfit: Collection[Address]) -> None:
        self._room = room
        self._unfit = unfit
        self.chosen: dict[Address, Address] = {}

    def keep(self, wish: _Wish, home: Address | None) -> None:
        """Leaves a component on `home`, where it is recorded, if that still takes it."""
        if home is not None and home not in self._unfit and self._room[home] > 0:
            self._take(wish, home)

    def find(self, wish: _Wish, home: Address | None) -> bool:
        """Gives a component a node if it has none yet; False where there is none for it."""
        if wish.resource.address in self.chosen:
            return True
        roomy = [node.address for node in wish.nodes if self._room[node.address] > 0]
        fit = [address for address in roomy if address not in self._unfit]
        # Where no other can take it, it is left where it is: the node may come back.
        best = fit or [address for address in roomy if address == home] or roomy
        if best:
            self._take(wish, max(best, key=lambda address: _weight(wish.resource.address, address)))
        return bool(best)

    def _take(self, wish: _Wish, address: Address) -> None:
        self.chosen[wish.resource.address] = address
        self._room[address] -= 1


def _wishes(placeable: Iterable[tuple[Resource, str]], nodes: Sequence[_Node], rules: Rules) -> list[_Wish]:
    """The components that give labels, each with the nodes that take work, have them, are of its own registry, and can
    be reached."""
    known: dict[tuple[str, bytes], list[_Node]] = {}
    wishes: list[_Wish] = []
    for resource, field in placeable:
        if f'"{field}":{{'.encode() not in resource.manifest:
            continue
        spec = resource.body()["spec"].get(field)
        if isinstance(spec, dict):
            labels, registry = spec.get("labels", {}), parse_address(resource.address).registry
            key = (registry, orjson.dumps(labels))
            if key not in known:
                known[key] = [node for node in nodes if not _unlike(node, labels) + _why_not(node, registry, rules)]
            wishes.append(_Wish(resource, labels, known[key]))
    return wishes


def _home(wish: _Wish, records: Mapping[Address, Record], rules: Rules) -> Address | None:
    """The node that a component is recorded on, if it is one of those that would do."""
    record = records.get(wish.resource.address)
    text = record.body().get("spec", {}).get(rules.fields[wish.resource.kind]) if record else None
    if not isinstance(text, str):
        return None
    return next((node.address for node in wish.nodes if node.name == node_name(text)), None)


def _unlike(node: _Node, labels: Mapping[str, str]) -> str:
    """The labels that a node lacks, in words."""
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()) if node.labels.get(key) != value)


def _why_not(node: _Node, registry: str, rules: Rules) -> str:
    """Why a node does not take what is placed from the registry with the prefix `registry`; "" where it does."""
    if not node.takes:
        return f"is {node.resource.state}"
    if node.registry != registry:
        return "belongs to another registry"
    return "" if rules.remote or is_local(node.name) else "cannot be reached with a state in a SQLite file"


def _no_node(wish: _Wish, nodes: Iterable[_Node], rules: Rules) -> Diagnostic:
    resource = wish.resource
    registry = parse_address(resource.address).registry
    alike = [node for node in nodes if not _unlike(node, wish.labels)]
    reasons = [f"{n.address} {_why_not(n, registry, rules) or f'is full ({n.slots:g} slots)'}" for n in alike[:_NAMED]]
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(wish.labels.items()))
    return Diagnostic(
        "node-none",
        f"There is no node for {resource.address}",
        detail=f"The nodes with {wanted or 'any labels'}: {'; '.join(reasons)}." if reasons else f"None has {wanted}.",
        hint="Add or enable a node with these labels, give one more slots, or ask for other labels.",
        location=resource.at(("spec", rules.fields[resource.kind])),
        address=resource.address,
    )


def _node(resource: Resource, state: str) -> _Node:
    spec = _mapping(resource.body().get("spec"))
    slots = _mapping(spec.get("capacity")).get("slots")
    return _Node(
        resource,
        name=node_name(resource.address),
        registry=parse_address(resource.address).registry,
        labels=_mapping(spec.get("labels")),
        slots=slots if isinstance(slots, int) else float("inf"),
        takes=resource.state == state,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _references(resource: Resource, field: str, nodes: Mapping[Address, _Node]) -> Iterator[Reference]:
    place = ("spec", field)
    return (r for r in resource.references if r.target in nodes and r.pointer == place)


def _misnamed(resource: Resource, node: _Node, record: Record | None, rules: Rules) -> Diagnostic | None:
    """What is wrong with naming `node`: it is out of reach, or it takes no new work."""
    place = resource.at(("spec", rules.fields[resource.kind]))
    if not rules.remote and not is_local(node.name):
        summary = f"{resource.address} names {node.address}, which cannot be reached"
        detail = "The state is a SQLite file, so that the only node is `local`, the machine that ureg runs on."
        hint = "Put the state into PostgreSQL (`state: postgresql://...`), or leave the node out."
        return Diagnostic("node-unreachable", summary, detail, hint, place, address=resource.address)
    if node.takes:
        return None
    summary = f"{resource.address} names {node.address}, which is {node.resource.state}"
    if record and (record.fingerprint, record.state) == (resource.fingerprint, resource.state):
        detail, severity = "It stays there as it is.", Severity.WARNING
    else:
        detail, severity = "The node takes no new work, and this would be.", Severity.ERROR
    hint = "Enable the node, or name another one."
    return Diagnostic("node-disabled", summary, detail, hint, place, address=resource.address, severity=severity)


def _weight(component: Address, node: Address) -> bytes:
    return blake2b(f"{component}\0{node}".encode(), digest_size=8).digest()
