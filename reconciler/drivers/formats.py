"""Renders a map of JSON values as a JSON, YAML, dotenv or TOML file: the same values give the same bytes, and every
common reader of the format gives the same values back. What a format cannot hold is refused in words.

YAML strings are quoted wherever a reader of version 1.1 or 1.2 might take them for something else (`no`, `1:30`,
`012`). In a dotenv file the names are the keys as they are written, those of nested maps joined by `__`
(`search__limit`), and lists are JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson


class Unrenderable(ValueError):
    """A value that the format cannot hold; the text names it and says what to do."""


def render(name: str, values: Mapping[str, Any], address: str) -> bytes:
    """`values` in the format `name`; where the format has comments, the first line names the component. Raises
    Unrenderable."""
    if name not in _FORMATS:
        raise Unrenderable(f"there is no format {name!r}: use one of {', '.join(_FORMATS)}")
    body = _FORMATS[name](values)
    if name == "json":
        return body.encode()
    shown = "".join(c if c.isprintable() else "?" for c in address)
    return f"# Managed by ureg ({shown}): changes made here are overwritten.\n{body}".encode()


def _json(values: Mapping[str, Any]) -> str:
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(values, option=options).decode()


# YAML

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_NOT_PLAIN = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Control characters, and what a terminal or a reader could take for a line end or hide.
_ESCAPED = re.compile(
    '[\x00-\x1f"\\\\\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff]'
)
_SHORT_ESCAPES = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_LONGEST_SIMPLE_KEY = 1000
"""Readers look for the colon in the first 1,024 characters of a line; a longer key needs a question mark."""


def _yaml(values: Mapping[str, Any]) -> str:
    lines = _yaml_block(values) if values else ["{}"]
    return "\n".join(lines) + "\n"


def _yaml_block(value: Any) -> list[str]:
    """The lines of a map or list that is not empty."""
    lines: list[str] = []
    if isinstance(value, list):
        for item in value:
            first, *rest = _yaml_block(item) if _is_block(item) else [_yaml_scalar(item)]
            lines += [f"- {first}", *(f"  {line}" for line in rest)]
        return lines
    for key in sorted(value):
        lines += _yaml_entry(_yaml_string(key), value[key])
    return lines


def _yaml_entry(key: str, value: Any) -> list[str]:
    opening = [f"{key}:"] if len(key) <= _LONGEST_SIMPLE_KEY else [f"? {key}", ":"]
    if _is_block(value):
        return [*opening, *(f"  {line}" for line in _yaml_block(value))]
    opening[-1] += f" {_yaml_scalar(value)}"
    return opening


def _is_block(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, str):
        return _yaml_string(value)
    text = orjson.dumps(value).decode()
    # For YAML 1.1, a number with an exponent needs a point and a sign.
    if isinstance(value, float) and "e" in text:
        mantissa, _, exponent = text.partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+d}"
    return text


def _yaml_string(text: str) -> str:
    if _PLAIN.match(text) and text.lower() not in _NOT_PLAIN:
        return text
    return f'"{_ESCAPED.sub(_yaml_escape, text)}"'


def _yaml_escape(match: re.Match[str]) -> str:
    return _SHORT_ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"


# dotenv

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NOT_IN_DOTENV = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _dotenv(values: Mapping[str, Any]) -> str:
    lines: dict[str, str] = {}
    for name, value in _flatten(values, ()):
        if not _VARIABLE.match(name):
            raise Unrenderable(f"{name!r} cannot name a variable: use letters, digits and _, and no digit in front")
        if name in lines:
            raise Unrenderable(f"two values are called {name}: a nested key is joined to its parents by __")
        lines[name] = f"{name}={_dotenv_value(name, value)}\n"
    return "".join(lines[name] for name in sorted(lines))


def _flatten(values: Mapping[str, Any], parents: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, (*parents, key))
        else:
            yield "__".join((*parents, key)), value


def _dotenv_value(name: str, value: Any) -> str:
    if value is None:
        raise Unrenderable(f"{name} is null, which a dotenv file cannot hold: leave the key out or use an empty string")
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if _NOT_IN_DOTENV.search(text):
        raise Unrenderable(f"{name} holds a control character, which a dotenv file cannot hold: use the format json")
    if "${" in text:
        raise Unrenderable(f"{name} holds ${{, which readers of dotenv files expand: use the format json")
    return text if isinstance(value, int | float) else _dotenv_quoted(name, text)


def _dotenv_quoted(name: str, text: str) -> str:
    """`text` in quotes in which a shell and a dotenv reader see the same.

    Between single quotes a shell takes all as it stands, while dotenv readers take a backslash before a quote or a
    backslash as an escape. Between double quotes both know these escapes, but only a shell those of `$` and of
    the backquote.
    """
    if "'" not in text and "\\\\" not in text and not text.endswith("\\"):
        return f"'{text}'"
    if "$" not in text and "`" not in text:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    raise Unrenderable(
        f"{name} holds $ or ` together with ' or \\, which shells and dotenv readers read differently: "
        "use the format json"
    )


# TOML


def _toml(values: Mapping[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(_sorted(values, ()))


def _sorted(value: Any, place: tuple[str, ...]) -> Any:
    """`value` with the keys of all maps in order. Raises Unrenderable for what TOML does not have."""
    if isinstance(value, dict):
        return {key: _sorted(value[key], (*place, key)) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item, (*place, str(index))) for index, item in enumerate(value)]
    if value is None:
        raise Unrenderable(f"{'.'.join(place)} is null, which TOML does not have: leave the key out")
    if isinstance(value, int) and value >= 2**63:
        raise Unrenderable(f"{'.'.join(place)} is greater than TOML's integers of 64 bits: use a string")
    return value


_FORMATS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "json": _json,
    "yaml": _yaml,
    "dotenv": _dotenv,
    "toml": _toml,
}
