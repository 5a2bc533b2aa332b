"""Addresses: the identity of a component, `kind/name`, in a sub-registry `registry:kind/name`.

An address is a plain string, since it is a key in every table, file and message. `kind` is the kind's name in lower
case; `name` is a DNS label or, for plain-file kinds, a file's stem and so any printable text.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Address: TypeAlias = str


class AddressParts(NamedTuple):
    registry: str
    kind: str
    name: str


def make_address(kind: str, name: str, registry: str = "") -> Address:
    """The address of a component; `kind` may be written as in a manifest ("GridNode")."""
    prefix = f"{registry}:" if registry else ""
    return f"{prefix}{kind.lower()}/{name}"


def named(kind: str, text: str) -> Address:
    """The address that `text` means where components of `kind` are named: an address, or a bare name."""
    if "/" in text:
        return text
    registry, _, name = text.rpartition(":")
    return make_address(kind, name, registry)


def parse_address(text: str) -> AddressParts:
    """The parts of `text`. Raises ValueError where it is no address."""
    head, slash, name = text.partition("/")
    registry, colon, kind = head.rpartition(":")
    if not slash or not name or not kind or (colon and not registry):
        raise ValueError(f"{text!r} is not an address (kind/name)")
    return AddressParts(registry, kind, name)
