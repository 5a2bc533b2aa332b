"""The address under which a component was last applied. `ureg state mv` gives a record another address and leaves its
manifest as it is, so that what the component made is still found under its former name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.address import Address, make_address, parse_address


def former_address(address: Address, manifest: Mapping[str, Any] | None) -> Address:
    """The address that the last applied `manifest` of the component gives it; `address` where it gives none."""
    parts = parse_address(address)
    name = manifest.get("metadata", {}).get("name", "") if manifest else ""
    return make_address(parts.kind, name or parts.name, parts.registry)
