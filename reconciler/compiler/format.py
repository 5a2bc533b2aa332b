"""Formats YAML: indentation and spacing are made uniform; comments, quotes, order and meaning stay as they are."""

from __future__ import annotations

import io
from typing import Any

from reconciler.compiler.parse import parse
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, errors

_PASSES = 4
"""A comment that moves in one pass can let another one move in the next; more than this is not seen in practice."""


def format_yaml(path: str, data: bytes) -> tuple[bytes, Diagnostics]:
    """`data` in the one format, or as it is where it has errors or cannot be formatted without changing its meaning."""
    documents, diagnostics = parse(path, data)
    if errors(diagnostics):
        return data, diagnostics
    if not documents:
        return data, ()
    formatted = _settle(data.decode("utf-8-sig"))
    if formatted is None or not _same(formatted, [document.value for document in documents]):
        return data, (_cannot(path),)
    return formatted.encode(), ()


def _settle(text: str) -> str | None:
    """The text that formatting leaves as it is; None where there is none to be found."""
    for _ in range(_PASSES):
        again = _format(text)
        if again is None or again == text:
            return again
        text = again
    return None


def _format(text: str) -> str | None:
    from ruamel.yaml.error import YAMLError

    yaml = _writer()
    written = io.StringIO()
    try:
        yaml.dump_all(list(yaml.load_all(text)), written)
    except (YAMLError, ValueError, RecursionError):
        return None
    lines = (line.rstrip() if not line.strip() else line for line in written.getvalue().split("\n"))
    return "\n".join(lines).rstrip("\n") + "\n"


def _writer() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _same(text: str, values: list[Any]) -> bool:
    documents, diagnostics = parse("", text.encode())
    return not errors(diagnostics) and [document.value for document in documents] == values


def _cannot(path: str) -> Diagnostic:
    return Diagnostic(
        "format-refused",
        "A file cannot be formatted without changing what it means",
        detail="It stays as it is.",
        location=Location(path),
    )
