"""Reads a registry's settings file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, errors
from reconciler.model.kind import Catalogue
from reconciler.model.settings import Guards, Settings

SETTINGS_SCHEMA = "settings.schema.json"

_KEYS = ("registry", "schemas", "state", "output", "runtime", "parallelism", "drivers")
_GUARDS = {"maxDeletes": "max_deletes", "maxDeletePercent": "max_delete_percent"}


def parse_settings(path: str, data: bytes, catalogue: Catalogue) -> tuple[Settings, Diagnostics]:
    """The settings in `data`, the content of the file `path`; what it does not say keeps its default.

    With an error the settings are the defaults. Empty `data` costs nothing.
    """
    if not data.strip():
        return Settings(), ()
    from reconciler.compiler.parse import parse

    documents, diagnostics = parse(path, data)
    if errors(diagnostics) or not documents:
        return Settings(), diagnostics
    if len(documents) > 1:
        return Settings(), (*diagnostics, _several(path))
    from reconciler.compiler.validate import Validator

    refused = Validator(catalogue).check_against(SETTINGS_SCHEMA, documents[0], data)
    return (Settings() if refused else _settings(documents[0].value)), (*diagnostics, *refused)


def dump_settings(settings: Settings) -> str:
    """`settings` as `load_settings` reads them back, without judging them again."""
    parts = {"guards": settings.guards._asdict(), "drivers": dict(settings.drivers)}
    return orjson.dumps({**settings._asdict(), **parts}).decode()


def load_settings(text: str) -> Settings:
    value = orjson.loads(text)
    return Settings(**{**value, "guards": Guards(**value["guards"])})


def _settings(value: Mapping[str, Any]) -> Settings:
    limits = value.get("guards", {})
    guards = Guards(**{name: limits[key] for key, name in _GUARDS.items() if key in limits})
    return Settings(**{key: value[key] for key in _KEYS if key in value}, guards=guards)


def _several(path: str) -> Diagnostic:
    return Diagnostic("settings-several", "The settings are one document, not several.", location=Location(path))
