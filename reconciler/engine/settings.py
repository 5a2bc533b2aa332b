"""Which settings hold: those of the file, overridden by the environment, overridden by flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.settings import Settings

DEFAULTS = Settings()


class Knob(NamedTuple):
    """One setting as it can be given outside of the file: `name` is its flag ("guards-max-deletes")."""

    name: str
    text: str
    default: str | int
    put: Callable[[Settings, str], Settings]

    @property
    def variable(self) -> str:
        return "UREG_" + self.name.upper().replace("-", "_")


_INSIDE = re.compile(r"\.?\w[\w.-]*(/\.?\w[\w.-]*)*", re.ASCII)

KNOBS = (
    Knob("registry", "Folder of the manifests.", DEFAULTS.registry, lambda s, v: s._replace(registry=_inside(v))),
    Knob(
        "schemas", "Folder of the registry's own kinds.", DEFAULTS.schemas, lambda s, v: s._replace(schemas=_inside(v))
    ),
    Knob(
        "state",
        "File of the recorded state, or the URL of a PostgreSQL database.",
        DEFAULTS.state,
        lambda s, v: s._replace(state=v),
    ),
    Knob("output", "Folder that drivers render into.", DEFAULTS.output, lambda s, v: s._replace(output=_inside(v))),
    Knob(
        "runtime",
        "Folder for what is installed and what runs.",
        DEFAULTS.runtime,
        lambda s, v: s._replace(runtime=_inside(v)),
    ),
    Knob(
        "parallelism",
        "How many verbs may run at once.",
        DEFAULTS.parallelism,
        lambda s, v: s._replace(parallelism=_count(v, 1, 256)),
    ),
    Knob(
        "guards-max-deletes",
        "More deletes than this stop an apply.",
        DEFAULTS.guards.max_deletes,
        lambda s, v: s._replace(guards=s.guards._replace(max_deletes=_count(v, 0))),
    ),
    Knob(
        "guards-max-delete-percent",
        "Deletes of more than this share of what is recorded stop an apply.",
        DEFAULTS.guards.max_delete_percent,
        lambda s, v: s._replace(guards=s.guards._replace(max_delete_percent=_count(v, 0, 100))),
    ),
)


def override(settings: Settings, environment: Mapping[str, str], flags: Mapping[str, str]) -> Settings:
    """`settings` with what `environment` (UREG_...) and `flags` say instead. Raises Invalid."""
    for knob in KNOBS:
        for given, name in ((environment.get(knob.variable), knob.variable), (flags.get(knob.name), f"-{knob.name}")):
            if given:
                settings = _put(knob, settings, given, name)
    return settings


def _put(knob: Knob, settings: Settings, value: str, name: str) -> Settings:
    try:
        return knob.put(settings, value)
    except ValueError as error:
        raise Invalid(Diagnostic("setting-invalid", f"{name} cannot be {value!r}", detail=str(error))) from error


def _inside(folder: str) -> str:
    path = folder.removesuffix("/")
    if not _INSIDE.fullmatch(path):
        raise ValueError(
            "It must be a path below the registry's root, with plain names between slashes: no .. and no leading slash."
        )
    return path


def _count(text: str, least: int, most: int = 999_999_999) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise ValueError(f"It must be a whole number from {least} to {most:,}.")
    return int(text)
