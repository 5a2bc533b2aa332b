"""Short manifests for tests that care about what happens, not about what is in them."""

from __future__ import annotations

from collections.abc import Sequence


def component(name: str, owner: str = "me", state: str = "", depends_on: Sequence[str] = ()) -> str:
    """A Component: enabled or disabled, by the `record` driver."""
    lines = ["apiVersion: ureg/v1", "kind: Component", "metadata:", f"  name: {name}"]
    lines += [f"  dependsOn: [{', '.join(depends_on)}]"] if depends_on else []
    lines += [f"state: {state}"] if state else []
    return "\n".join([*lines, "spec:", "  type: library", f"  owner: {owner}", ""])
