"""Changes one text in a manifest and nothing else in it: comments, layout and order stay as they are."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from reconciler.compiler.parse import parse
from reconciler.compiler.positions import Place, places
from reconciler.compiler.text import Mark
from reconciler.model.diagnostics import Diagnostic, Invalid, Location
from reconciler.model.resource import Document


def set_text(location: Location, data: bytes, text: str, before: str) -> bytes:
    """`data` with `text`, which needs no escapes, at `location`. A key that is not there yet is put before its sibling
    `before`. Raises Invalid where the text cannot be put there without changing something else."""
    wanted = _wanted(location, data, text)
    for edited in _candidates(location, data, f'"{text}"', before):
        documents, _ = parse(location.path, edited)
        if _values(documents) == wanted:
            return edited
    raise Invalid(
        Diagnostic(
            "edit-refused",
            f"The file cannot be edited without changing something else: {location.path}",
            hint=f'Write it by hand: {location.pointer[-1]}: "{text}"',
            location=location,
        )
    )


def _candidates(location: Location, data: bytes, text: str, before: str) -> list[bytes]:
    nodes = places(data).get(location.document, {})
    *way, name = location.pointer
    place = nodes.get(location.pointer)
    if place is not None:
        return [data[: _byte(place, place.start)] + text.encode() + data[_byte(place, place.end) :]]
    sibling = nodes.get((*way, before))
    if sibling is None or sibling.key is None:
        return []
    at = _byte(sibling, sibling.key[0])
    indent = data[data.rfind(b"\n", 0, at) + 1 : at]
    line_end = b"\r\n" if b"\r\n" in data else b"\n"
    return [data[:at] + f"{name}: {text}".encode() + behind + data[at:] for behind in (line_end + indent, b", ")]


def _byte(place: Place, mark: Mark) -> int:
    span = place.text.location(mark, mark).span
    return span.start.byte if span else 0


def _wanted(location: Location, data: bytes, text: str) -> list[Any]:
    values = deepcopy(_values(parse(location.path, data)[0]))
    *way, name = location.pointer
    node = values[location.document]
    for token in way:
        node = node[token]
    node[name] = text
    return values


def _values(documents: tuple[Document, ...]) -> list[Any]:
    return [document.value for document in documents]
