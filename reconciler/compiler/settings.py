"""Reads a registry's settings file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from reconciler.compiler.finding import Finding
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, errors
from reconciler.model.kind import Catalogue
from reconciler.model.resource import Document
from reconciler.model.settings import Guards, Settings

SETTINGS_SCHEMA = "settings.schema.json"

_KEYS = ("registry", "schemas", "state", "output", "runtime", "parallelism", "drivers", "watch")
_GUARDS = {"maxDeletes": "max_deletes", "maxDeletePercent": "max_delete_percent"}
_DATABASE = re.compile(r"(postgres(?:ql)?://).*", re.DOTALL)
_PASSWORDS = {"password", "sslpassword"}


def parse_settings(path: str, data: bytes, catalogue: Catalogue) -> tuple[Settings, Diagnostics]:
    """The settings in `data`, the content of the file `path`; what it does not say keeps its default.

    With an error the settings are the defaults. Empty `data` costs nothing.
    """
    if not data.strip():
        return Settings(), ()
    from reconciler.compiler.parse import parse

    documents, diagnostics = parse(path, data)
    if len(documents) == 1 and not errors(diagnostics):
        diagnostics += _refused(documents[0], data, catalogue)
    elif len(documents) > 1:
        diagnostics = (*diagnostics, _several(path))
    sound = documents and not errors(diagnostics)
    return (_settings(documents[0].value) if sound else Settings()), tuple(map(_discreet, diagnostics))


def _refused(document: Document, data: bytes, catalogue: Catalogue) -> Diagnostics:
    from reconciler.compiler.finding import place
    from reconciler.compiler.validate import Validator

    refused = Validator(catalogue).check_against(SETTINGS_SCHEMA, document, data)
    if refused or not _has_password(document.value.get("state", "")):
        return refused
    return (place(_PASSWORD, document.path, data),)


_PASSWORD = Finding(
    "settings-password",
    "The URL of the state holds a password, which does not belong in a file that git keeps.",
    ("state",),
    "Take it out and put it into PGPASSWORD or a pgpass file, or the whole URL into UREG_STATE. If it was committed it "
    "is known: change it.",
)


def _has_password(state: str) -> bool:
    """Whether a URL holds one, also where it is written so that only some programs would find it."""
    if not _DATABASE.match(state):
        return False
    place, _, query = state.partition("://")[2].partition("?")
    names = {unquote(option.partition("=")[0]) for option in query.split("&")}
    return ":" in place.rpartition("@")[0] or "@" in query or not names.isdisjoint(_PASSWORDS)


def _discreet(diagnostic: Diagnostic) -> Diagnostic:
    """The diagnostic without any database's URL, since that may hold a password, rightly written or not."""
    summary, detail, hint = (
        _DATABASE.sub(r"\1…", text) for text in (diagnostic.summary, diagnostic.detail, diagnostic.hint)
    )
    location = diagnostic.location and _bare(diagnostic.location)
    related = tuple(other._replace(location=_bare(other.location)) for other in diagnostic.related)
    return diagnostic._replace(summary=summary, detail=detail, hint=hint, location=location, related=related)


def _bare(location: Location) -> Location:
    line = "" if _DATABASE.search(location.source_line) else location.source_line
    pointer = tuple(token for token in location.pointer if not _DATABASE.search(str(token)))
    return location._replace(source_line=line, pointer=pointer)


def dump_settings(settings: Settings) -> str:
    """`settings` as `load_settings` reads them back, without judging them again."""
    parts = {
        "guards": settings.guards._asdict(),
        "drivers": dict(settings.drivers),
        "watch": dict(settings.watch),
    }
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
