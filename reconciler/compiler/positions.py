"""The places of all nodes of a file, by document and pointer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from _ruamel_yaml import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from reconciler.compiler.events import Abandon, Events, Handlers, between_documents
from reconciler.compiler.text import MAX_DEPTH, Mark, Text, decode
from reconciler.model.diagnostics import Invalid, Pointer

_KEY: Pointer = (-1,)
"""Stands for the pointer of what is inside a key: nothing points there."""


class Place(NamedTuple):
    """From `start` to `end` in `text`; `key` is where its key starts and ends, None for a list's item or a root."""

    text: Text
    start: Mark
    end: Mark
    key: tuple[Mark, Mark] | None


@lru_cache(maxsize=1)
def places(data: bytes) -> Mapping[int, Mapping[Pointer, Place]]:
    """Every node of the documents that can be read, by the document's number."""
    try:
        text = decode("", data)
    except Invalid:
        return {}
    return _Finder(text).read()


class _Frame:
    """A collection that is being read: the way to it, and either the key that waits for its value or the index of the
    next item."""

    __slots__ = ("event", "index", "is_mapping", "key", "node_key", "pointer")

    def __init__(self, event: Any, pointer: Pointer, node_key: Any) -> None:
        self.event = event
        self.pointer = pointer
        self.node_key = node_key
        self.is_mapping = type(event) is MappingStartEvent
        self.key: Any = None
        self.index = 0


class _Finder:
    def __init__(self, text: Text) -> None:
        self._found: dict[int, dict[Pointer, Place]] = {}
        self._number = -1
        self._stack: list[_Frame] = []
        self._end: Any = None
        self._events = Events(text)

    def read(self) -> dict[int, dict[Pointer, Place]]:
        handlers: Handlers = {
            ScalarEvent: self._leaf,
            AliasEvent: self._leaf,
            MappingStartEvent: self._open,
            MappingEndEvent: self._close,
            SequenceStartEvent: self._open,
            SequenceEndEvent: self._close,
            DocumentStartEvent: self._document,
            DocumentEndEvent: _pass,
            StreamStartEvent: _pass,
            StreamEndEvent: _pass,
        }
        self._events.run(handlers, self._broken)
        return self._found

    def _document(self, _: Any) -> None:
        self._number += 1
        self._found[self._number] = {}
        self._stack.clear()

    def _broken(self, _: Any, last: Any) -> None:
        if between_documents(last):
            self._number += 1
        self._found.pop(self._number, None)

    def _leaf(self, event: Any) -> None:
        pointer, key = self._step(event)
        self._end = event.end_mark
        self._keep(pointer, key, event, event.end_mark)

    def _open(self, event: Any) -> None:
        pointer, key = self._step(event)
        if len(self._stack) >= MAX_DEPTH:
            self._found.pop(self._number)
            raise Abandon
        self._stack.append(_Frame(event, pointer, key))

    def _close(self, event: Any) -> None:
        """A block collection ends where its last content does: libyaml sees its end only at what follows."""
        frame = self._stack.pop()
        if frame.event.flow_style:
            self._end = event.end_mark
        self._keep(frame.pointer, frame.node_key, frame.event, self._end)

    def _step(self, event: Any) -> tuple[Pointer, Any]:
        """The pointer of the node that starts with `event`, and the event of its key."""
        if not self._stack:
            return (), None
        frame = self._stack[-1]
        if not frame.is_mapping:
            frame.index += 1
            return (*frame.pointer, frame.index - 1), None
        if frame.key is None:
            frame.key = event
            return _KEY, None
        key, frame.key = frame.key, None
        name = key.value if type(key) is ScalarEvent else -1
        return (*frame.pointer, name), key

    def _keep(self, pointer: Pointer, key: Any, event: Any, end: Any) -> None:
        key_marks = None if key is None else (key.start_mark, key.end_mark)
        self._found[self._number].setdefault(pointer, Place(self._events.text, event.start_mark, end, key_marks))


def _pass(_: Any) -> None:
    """The events of the stream itself say nothing."""
