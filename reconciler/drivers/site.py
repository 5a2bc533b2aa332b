"""What every driver is opened with: where it may put things, what it may know, and how it is set up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.drivers.secrets import Secrets


class NotPermitted(Exception):
    """The settings do not name the `part` that a kind asks `driver` for. `hint` says what to write where."""

    def __init__(self, driver: str, part: str, noun: str, known: Collection[str], example: str) -> None:
        there = f"It permits {', '.join(sorted(known))}." if known else f"It permits no {noun} so far."
        super().__init__(f"ureg.yaml permits {driver} no {noun} {part!r}. {there}")
        self.hint = f"Whoever answers for this machine adds it there: {example}"


class Site(NamedTuple):
    """The place that a driver works in. All folders are absolute; none needs to exist.

    `root` is the registry's folder: the paths of manifests start there. Rendered files go below `output`. What is
    installed and what runs is kept below `run`, in a folder of the driver's own. `options` are the driver's own
    settings (`drivers: {NAME: ...}` of ureg.yaml), as the settings' schema describes them. `part` is what follows a
    colon in the driver's name, "" where there is none.
    """

    root: Path
    output: Path
    run: Path
    secrets: Secrets
    options: Mapping[str, Any] = MappingProxyType({})
    part: str = ""

    @staticmethod
    def at(root: Path) -> Site:
        """The site of a registry in `root` that says nothing of its own, with no secrets to find."""
        return Site(root, root / ".ureg/out", root / ".ureg/run", Secrets(root, {}))
