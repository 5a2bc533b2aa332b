"""Loads the SQL that ships with this package: the named queries and the numbered migrations of each database."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_NAME = re.compile(r"^-- name: (\w+)(?: \((\w+)\))?\n", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


@cache
def queries(dialect: str) -> dict[str, str]:
    """The statements of queries.sql for the database `dialect` ("sqlite", "postgresql"), by their names. Parameters
    are written `?`."""
    parts = _NAME.split((_HERE / "queries.sql").read_text(encoding="utf-8"))[1:]
    return {
        name: _COMMENT.sub("", body).strip()
        for name, only, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        if only in {None, dialect}
    }


def migrations(dialect: str) -> list[tuple[int, str]]:
    """Number and script of every migration of a database, in order."""
    folder = _HERE / "migrations" / dialect
    return [(int(path.stem), path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.sql"))]
