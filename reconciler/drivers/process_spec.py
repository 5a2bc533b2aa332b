"""What a manifest's spec asks for: the program, its checks, and where it is reached.

A program has two slots, blue and green. All but one kind of replacement use the first alone; `blueGreen` starts the new
program in the free one, on the other ports, before the old one ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from math import ceil
from typing import Any, NamedTuple

from reconciler.drivers.names import file_name
from reconciler.drivers.process_check import HOST, Check, check_of
from reconciler.drivers.process_engine import configuration
from reconciler.drivers.process_home import Home, inherited
from reconciler.drivers.process_program import Launch, Program
from reconciler.drivers.secrets import mark
from reconciler.drivers.site import Site
from reconciler.model.address import Address
from reconciler.model.units import duration, size

BLUE, GREEN = SLOTS = ("blue", "green")
RUNNING, STOPPED, INSTALLED = "running", "stopped", "installed"
_STOP_TIMEOUT = "10s"
_STEADY_BUDGET = 30.0
"""A check of health says nothing about how long a start may take, so it is at least this many seconds."""


class Wanted(NamedTuple):
    """`ready` and `health` are None where nothing is to be checked. `ports` are the numbers that the program is told,
    by the ports' names, with their protocols."""

    program: Program
    ready: Check | None
    health: Check | None
    ports: Mapping[str, tuple[int, str]]

    @property
    def endpoints(self) -> dict[str, list[tuple[str, int]]]:
        return {name: [(HOST, port)] for name, (port, _) in self.ports.items()}


def program_name(address: Address, slot: str) -> str:
    return f"{file_name(address)}.{slot}"


def wanted(site: Site, home: Home, address: Address, spec: Mapping[str, Any], slot: str) -> Wanted:
    """What `spec` asks for in `slot`, with its secrets. Raises Unresolved, and Refused for a bad configuration."""
    ports = _ports(spec, slot)
    launch = _launch(site, home, address, spec, slot, ports)
    numbers = {port["port"]: ports[port["name"]][0] for port in spec.get("ports", ())}
    health = check_of(spec["healthCheck"], numbers, launch) if "healthCheck" in spec else None
    ready = check_of(spec["readiness"], numbers, launch) if "readiness" in spec else None
    if ready is None and health:
        ready = health._replace(budget=max(health.budget, _STEADY_BUDGET))
    return Wanted(_program(program_name(address, slot), spec, launch), ready, health, ports)


def is_blue_green(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("update", {}).get("strategy") == "blueGreen")


def stop_timeout(spec: Mapping[str, Any]) -> float:
    """In seconds."""
    return duration(spec.get("stopTimeout", _STOP_TIMEOUT))


def _program(name: str, spec: Mapping[str, Any], launch: Launch) -> Program:
    restart, logs = spec.get("restart", {}), spec.get("logs", {})
    return Program(
        name,
        launch,
        processes=spec.get("replicas", 1),
        restart=restart.get("policy", "on-failure"),
        attempts=restart.get("attempts", 3),
        stop_signal=spec.get("stopSignal", "TERM"),
        stop_timeout=stop_timeout(spec),
        log_size=size(logs.get("maxSize", "10Mi")),
        log_keep=logs.get("keep", 5),
    )


def _launch(
    site: Site,
    home: Home,
    address: Address,
    spec: Mapping[str, Any],
    slot: str,
    ports: Mapping[str, tuple[int, str]],
) -> Launch:
    secret = site.secrets.fill({key: mark(spec.get(key, {}), ("spec", key)) for key in ("environment", "secrets")})
    name, user = program_name(address, slot), spec.get("user", "")
    told = {"UREG_ADDRESS": address, **_port_variables(ports)}
    if secret["secrets"]:
        told["CREDENTIALS_DIRECTORY"] = str(home.credentials(name, user))
    return Launch(
        command=spec["command"],
        directory=str(site.root / spec.get("workingDirectory", ".")),
        environment={**told, **secret["environment"]},
        inherited=inherited(user),
        credentials=secret["secrets"],
        user=user,
        limits=_limits(spec.get("limits", {})),
        delay=duration(spec.get("restart", {}).get("delay", "1s")),
        about=_about(address, spec),
    )


def _ports(spec: Mapping[str, Any], slot: str) -> dict[str, tuple[int, str]]:
    others = spec.get("update", {}).get("ports", {}) if slot == GREEN else {}
    return {
        port["name"]: (others.get(port["name"], port["port"]), port.get("protocol", "http"))
        for port in spec.get("ports", ())
    }


def _port_variables(ports: Mapping[str, tuple[int, str]]) -> dict[str, str]:
    """PORT for the first port, and PORT_NAME for each."""
    named = {f"PORT_{name.upper().replace('-', '_')}": str(port) for name, (port, _) in ports.items()}
    first = next(iter(named.values()), "")
    return {"PORT": first, **named} if first else {}


def _limits(limits: Mapping[str, Any]) -> dict[str, int]:
    found = {key: limits[key] for key in ("openFiles", "processes") if key in limits}
    if "memory" in limits:
        found["memory"] = size(limits["memory"])
    if "cpu" in limits:
        found["cores"] = ceil(limits["cpu"])
    return found


def _about(address: Address, spec: Mapping[str, Any]) -> dict[str, str]:
    """What else makes the program another one: its version, and the configuration file that it reads at its start."""
    file = configuration(address, spec)
    digest = {"configuration": blake2b(file, digest_size=16).hexdigest()} if file else {}
    return {"version": spec.get("version", ""), **digest}
