"""A registry's settings (`ureg.yaml`), as schemas/settings.schema.json describes them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_DATABASES = ("postgresql://", "postgres://")


class Guards(NamedTuple):
    """More deletes than `max_deletes`, or five and more that pass `max_delete_percent` of what is recorded, stop an
    apply."""

    max_deletes: int = 10
    max_delete_percent: int = 20


class Settings(NamedTuple):
    """Paths are relative to the registry's root; `output` is where drivers put what they render, `runtime` where they
    keep what is installed and what runs. `drivers` holds the settings of single drivers by their name."""

    registry: str = "registry.d"
    schemas: str = "schemas"
    state: str = ".ureg/state.db"
    output: str = ".ureg/out"
    runtime: str = ".ureg/run"
    parallelism: int = 10
    guards: Guards = Guards()
    drivers: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    watch: Mapping[str, Any] = MappingProxyType({})
    """What the daemon is told, as it stands in the file: sound by the schema. Each part of it reads its own."""


def is_database(state: str) -> bool:
    """Whether the setting `state` names a PostgreSQL database and not a file."""
    return state.startswith(_DATABASES)
