"""Reads the URL of a PostgreSQL state: which schema it names, and how to call it without giving a password away."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from reconciler.ports import StateError

DEFAULT_SCHEMA = "ureg"

_HOST = r"(?:\[[0-9a-fA-F:.%]+\]|[^\[\]:@/?,]*)(?::[0-9]+)?"
# Stricter than libpq, which takes the end of an unescaped password for a host or a port and then names it.
_URL = re.compile(
    rf"(postgres(?:ql)?://)(?:([^:@/?]*)(:[^@/?]*)?@)?({_HOST}(?:,{_HOST})*)(?:/([^@/?]*))?(?:\?([^@?]*))?"
)
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,39}")


class Target(NamedTuple):
    """A database as libpq wants its URL, and the schema in it."""

    url: str
    schema: str


def has_password(url: str) -> bool:
    """Whether `url` holds a password: in order in the environment, and never in a file of the repository."""
    parts = _URL.fullmatch(url)
    if parts is None:
        return "@" in url
    return bool(parts[3]) or any(name in {"password", "sslpassword"} for name, _ in _options(parts[6]))


def target(url: str) -> Target:
    """Raises StateError for a URL that cannot be read; its text repeats nothing of it."""
    parts = _URL.fullmatch(url)
    if parts is None:
        raise StateError(
            "The URL of the state cannot be read. It is postgresql://USER@HOST/DATABASE; in each part the signs "
            "@ : / ? % are written %40 %3A %2F %3F %25."
        )
    options = _options(parts[6])
    schema = dict(options).get("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise StateError("The schema in the URL of the state must be a lower-case name, for example ?schema=shop.")
    kept = "&".join(f"{name}={value}" for name, value in options if name != "schema")
    return Target(f"{url.partition('?')[0]}{'?' if kept else ''}{kept}", schema)


def place(url: str) -> str:
    """Where the state is, for messages: host, database, and the schema where it is not the usual one."""
    parts = _URL.fullmatch(url)
    if parts is None:
        return "in PostgreSQL"
    options = {name: unquote(value) for name, value in _options(parts[6])}
    host = options.get("host") or re.sub(r":[0-9]+(?=,|$)", "", parts[4])
    schema = options.get("schema", DEFAULT_SCHEMA)
    suffix = "" if schema == DEFAULT_SCHEMA else f"?schema={schema}"
    return f"postgresql://{host}/{options.get('dbname') or unquote(parts[5] or '')}{suffix}"


def _options(query: str | None) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in (query or "").split("&") if part)
    return [(name, value) for name, _, value in parts]
