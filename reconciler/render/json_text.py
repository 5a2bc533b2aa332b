"""Writes JSON that is safe to look at: hidden characters inside strings become JSON's own escapes, losing nothing."""

from __future__ import annotations

import re
from typing import Any

import orjson

from reconciler.render.escape import HIDDEN

_UNSAFE = re.compile(rf"[{HIDDEN}]|#(?=#[A-Za-z]*\[)")


def dump(value: Any, indent: bool = False) -> bytes:
    """`value` as JSON with a final line end, on one line unless `indent`."""
    options = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        data = orjson.dumps(value, option=options)
    except TypeError:  # lone surrogates, which only JSON's escapes can carry
        return _dump_ascii(value, indent)
    if data.isascii() and b"\x7f" not in data and b"##" not in data:
        return data
    return _UNSAFE.sub(_escaped, data.decode()).encode()


def _dump_ascii(value: Any, indent: bool) -> bytes:
    import json

    text = json.dumps(value, indent=2 if indent else None, separators=None if indent else (",", ":"))
    return f"{_UNSAFE.sub(_escaped, text)}\n".encode()


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
