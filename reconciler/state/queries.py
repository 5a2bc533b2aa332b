"""Loads the SQL that ships with this package: the named queries and the numbered migrations."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@cache
def queries() -> dict[str, str]:
    """The statements of queries.sql by their names."""
    text = (_HERE / "queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {
        name: re.sub(r"^--.*\n", "", body, flags=re.MULTILINE).strip()
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def migrations() -> list[tuple[int, str]]:
    """Number and script of every migration, in order."""
    return [(int(path.stem), path.read_text(encoding="utf-8")) for path in sorted((_HERE / "migrations").glob("*.sql"))]
