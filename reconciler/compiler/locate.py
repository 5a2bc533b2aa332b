"""Where a node of a YAML or JSON file stands: read again only when something is to be said of it."""

from __future__ import annotations

from reconciler.model.diagnostics import Location


def locate(location: Location, data: bytes, key: bool = False) -> Location:
    """`location` with its span and source line, read from the file's content `data`.

    `key` asks for the mapping key rather than its value. A pointer that leads nowhere gives its nearest parent. In a
    document that cannot be read the location stays as it is. The places of the last file are kept, so that many
    locations of one file cost one pass.
    """
    from reconciler.compiler.positions import places

    text_places = places(data).get(location.document, {})
    pointer = location.pointer
    while (place := text_places.get(pointer)) is None:
        if not pointer:
            return location
        pointer = pointer[:-1]
    start, end = place.key if key and place.key else (place.start, place.end)
    found = place.text.location(start, end)
    return location._replace(span=found.span, source_line=found.source_line)
