"""The routes of a mesh as Envoy's route configuration: one virtual host a host name, the most specific route first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.drivers.endpoints import cluster_name
from reconciler.drivers.envoy_parts import Json, Mesh, duration, extension, typed
from reconciler.model.address import Address, named

NAME = "mesh"
_TIMEOUT = "15s"
_WEIGHT = 100
_HASHED = frozenset({"ring_hash", "maglev"})
_RETRIED = ("connect-failure", "refused-stream")
_OTHER_ENDPOINTS = 3
"""How often a retry looks for an endpoint that was not tried yet."""


def route_configuration(mesh: Mesh) -> Json:
    hosts: dict[str, list[Address]] = {}
    for address in sorted(mesh.routes, key=lambda address: _rank(address, mesh.routes[address])):
        hosts.setdefault(mesh.routes[address]["host"], []).append(address)
    fields = {
        "name": NAME,
        "validate_clusters": True,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            {"name": host, "domains": [host], "routes": [_route(address, mesh) for address in hosts[host]]}
            for host in sorted(hosts)
        ],
    }
    return typed("config.route.v3.RouteConfiguration", fields)


def destinations(route: Mapping[str, Any]) -> Iterator[tuple[Address, str, int]]:
    """The services that get requests by a route: address, name of the port ("" for the first) and weight."""
    for each in route["destinations"]:
        yield named("service", each["service"]), each.get("port", ""), each.get("weight", _WEIGHT)


def _rank(address: Address, route: Mapping[str, Any]) -> tuple[object, ...]:
    """Sorts exact paths before prefixes, long ones before short ones, and what asks for more before what asks for
    less."""
    match = route.get("match", {})
    path = match.get("path", {})
    text = path.get("exact", path.get("prefix", ""))
    return "exact" not in path, -len(text), -len(match.get("headers", ())), "methods" not in match, address


def _route(address: Address, mesh: Mesh) -> Json:
    route = mesh.routes[address]
    return {"name": address, "match": _match(route.get("match", {})), "route": _action(route, mesh)}


def _match(match: Mapping[str, Any]) -> Json:
    path = match.get("path", {})
    headers = [_header(header) for header in match.get("headers", ())]
    if "methods" in match:
        headers.insert(0, {"name": ":method", "string_match": _one_of(match["methods"])})
    found: Json = {"path": path["exact"]} if "exact" in path else {"prefix": path.get("prefix", "/")}
    return {**found, "headers": headers} if headers else found


def _one_of(words: Sequence[str]) -> Json:
    """Words of letters only, so that they stand for themselves in the expression."""
    return {"exact": words[0]} if len(words) == 1 else {"safe_regex": {"regex": "|".join(words)}}


def _header(header: Mapping[str, Any]) -> Json:
    if "present" in header:
        return {"name": header["name"], "present_match": header["present"]}
    return {"name": header["name"], "string_match": {key: header[key] for key in ("exact", "prefix") if key in header}}


def _action(route: Mapping[str, Any], mesh: Mesh) -> Json:
    action: Json = {**_clusters(route), "timeout": duration(route.get("timeout", _TIMEOUT))}
    if "rewrite" in route:
        action["prefix_rewrite"] = route["rewrite"]
    if route.get("retries", {}).get("attempts"):
        action["retry_policy"] = _retries(route["retries"])
    if any(policy(mesh, service) in _HASHED for service, _, _ in destinations(route)):
        action["hash_policy"] = _hash(mesh.spec.get("balancer", {}).get("hashHeader"))
    return action


def _clusters(route: Mapping[str, Any]) -> Json:
    weighted = [
        {"name": cluster_name(service, port), "weight": weight} for service, port, weight in destinations(route)
    ]
    if len(weighted) == 1 and weighted[0]["weight"]:
        return {"cluster": weighted[0]["name"]}
    return {"weighted_clusters": {"clusters": weighted}}


def _retries(retries: Mapping[str, Any]) -> Json:
    found: Json = {
        "num_retries": retries["attempts"],
        "retry_on": ",".join(retries.get("when", _RETRIED)),
        "retry_host_predicate": [
            extension("retry_host_predicates.previous_hosts", "retry.host.previous_hosts.v3.PreviousHostsPredicate")
        ],
        "host_selection_retry_max_attempts": _OTHER_ENDPOINTS,
    }
    if "perTryTimeout" in retries:
        found["per_try_timeout"] = duration(retries["perTryTimeout"])
    return found


def policy(mesh: Mesh, service: Address) -> str:
    """The balancer of a service in a mesh."""
    balancer = mesh.spec.get("balancer", {})
    for each in balancer.get("services", ()):
        if named("service", each["service"]) == service:
            return str(each["policy"])
    return str(balancer.get("default", "round_robin"))


def _hash(header: str | None) -> list[Json]:
    """What is hashed: the header where there is one, else the caller's address."""
    caller = {"connection_properties": {"source_ip": True}}
    return [{"header": {"header_name": header}, "terminal": True}, caller] if header else [caller]
