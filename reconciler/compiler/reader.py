"""The reference reader: YAML 1.2 documents as JSON types, from libyaml's events, with every problem at its place.

It keeps an explicit stack, so that no input can exhaust the interpreter's own.
"""

from __future__ import annotations

from contextlib import suppress
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

from reconciler.compiler import problems
from reconciler.compiler.events import Abandon, Events, Handlers, between_documents
from reconciler.compiler.problems import Problem
from reconciler.compiler.scalars import TAG_PREFIX, Scalar, ScalarError, convert, resolve
from reconciler.compiler.syntax import explain
from reconciler.compiler.text import MAX_DEPTH, Mark, Text, decode
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid, Location, Pointer, Related
from reconciler.model.resource import Document

MAX_NODES = 100_000
"""Nodes of a file, keys included, each alias counted as all that it stands for."""

MAX_FINDINGS = 100

_NO_KEY: Any = object()
_REFUSED_KEY: Any = object()


class _Anchored(NamedTuple):
    """A value that has a name, with the nodes and the levels of collections in it."""

    value: Any
    nodes: int
    height: int


_NOTHING = _Anchored(None, 1, 0)
_BEING_READ = _Anchored(None, 1, 0)


def read(path: str, data: bytes) -> tuple[tuple[Document, ...], Diagnostics]:
    """The sound documents of a file, and what is wrong with the others."""
    try:
        text = decode(path, data)
    except Invalid as refusal:
        return (), refusal.diagnostics
    reader = _Reader(text)
    reader.read()
    return tuple(reader.documents), tuple(reader.findings)


class _Enough(Exception):
    """There is too much of something: nothing more is read of this file."""


class _Frame:
    """A collection that is being read. The bottom frame of the stack is a list that takes the document's root."""

    __slots__ = ("event", "height", "key", "keys", "nodes", "value")

    def __init__(self, event: Any, nodes: int, value: dict[str, Any] | list[Any]) -> None:
        self.event = event
        self.nodes = nodes
        self.value: Any = value
        self.key: Any = _NO_KEY if type(value) is dict else None
        """The key whose value comes next; None in a list."""
        self.keys: dict[str, Mark] = {}
        """Where the keys so far start."""
        self.height = 1
        """Levels of collections, from this one down to the deepest so far."""

    def step(self) -> Pointer:
        """The way from this collection to the child that is being read."""
        if self.key is None:
            return (len(self.value),)
        return (self.key,) if type(self.key) is str else ()


class _Reader:
    def __init__(self, text: Text) -> None:
        self.documents: list[Document] = []
        self.findings: list[Diagnostic] = []
        self._number = -1
        self._nodes = 0
        self._findings_before = 0
        self._root: Any = None
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._events = Events(text)

    def read(self) -> None:
        handlers: Handlers = {
            ScalarEvent: self._scalar,
            MappingStartEvent: self._mapping,
            MappingEndEvent: self._end,
            SequenceStartEvent: self._sequence,
            SequenceEndEvent: self._end,
            AliasEvent: self._alias,
            DocumentStartEvent: self._document,
            DocumentEndEvent: self._end_document,
            StreamStartEvent: _pass,
            StreamEndEvent: _pass,
        }
        with suppress(_Enough):
            self._events.run(handlers, self._broken)

    def _document(self, _: Any) -> None:
        self._number += 1
        self._findings_before = len(self.findings)
        self._stack = [_Frame(None, 0, [])]
        self._anchors = {}
        self._root = self._events.peek()

    def _end_document(self, _: Any) -> None:
        (value,) = self._stack.pop().value
        if len(self.findings) == self._findings_before and not _is_empty(self._root):
            line = self._events.text.line + self._root.start_mark.line
            self.documents.append(Document(self._events.text.path, self._number, line, value))

    def _scalar(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._too_many(event)
        frame = self._stack[-1]
        if event.style or event.ctag is not None:
            value = self._marked(event)
        else:
            try:
                value = resolve(event.value)
            except ScalarError as error:
                value = None
                self._bad_number(event, frame, str(error))
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, 0)
        self._place(frame, value, event)

    def _marked(self, event: Any) -> Any:
        """The value of a scalar with quotes, as a block, or with a tag."""
        if event.style == '"' and "\0" in event.value:
            self._report(problems.NUL, event)
        return event.value if event.ctag is None else self._tagged(event)

    def _bad_number(self, event: Any, frame: _Frame, detail: str) -> None:
        """Says so, save for a key: that is refused like any number there."""
        if frame.key is not _NO_KEY:
            self._report(problems.number(detail), event)

    def _tagged(self, event: Any) -> Scalar:
        try:
            return convert(event.tag.removeprefix(TAG_PREFIX), event.value)
        except KeyError:
            self._report(problems.tag(_shorthand(event.tag)), event)
        except ScalarError as error:
            self._report(problems.tagged_value(str(error)), event)
        text: str = event.value
        return text

    def _mapping(self, event: Any) -> None:
        self._open(event, {}, "map")

    def _sequence(self, event: Any) -> None:
        self._open(event, [], "seq")

    def _open(self, event: Any, value: dict[str, Any] | list[Any], tag: str) -> None:
        nodes = self._nodes
        self._nodes += 1
        if event.ctag is not None and event.tag != TAG_PREFIX + tag:
            self._report(problems.tag(_shorthand(event.tag)), event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _BEING_READ
        if len(self._stack) > MAX_DEPTH:
            self._report(problems.too_deep(MAX_DEPTH), event)
            raise Abandon
        if self._nodes > MAX_NODES:
            self._too_many(event)
        self._stack.append(_Frame(event, nodes, value))

    def _end(self, _: Any) -> None:
        frame = self._stack.pop()
        parent = self._stack[-1]
        if frame.height >= parent.height:
            parent.height = frame.height + 1
        anchor = frame.event.anchor
        if anchor is not None:
            self._anchors[anchor] = _Anchored(frame.value, self._nodes - frame.nodes, frame.height)
        self._place(parent, frame.value, frame.event)

    def _alias(self, event: Any) -> None:
        anchored = self._anchors.get(event.anchor)
        if anchored is None or anchored is _BEING_READ:
            refusal = problems.undefined_anchor if anchored is None else problems.circular_anchor
            self._report(refusal(event.anchor), event)
            anchored = _NOTHING
        frame = self._stack[-1]
        frame.height = max(frame.height, anchored.height + 1)
        if len(self._stack) - 1 + anchored.height > MAX_DEPTH:
            self._report(problems.too_deep(MAX_DEPTH), event)
            raise Abandon
        self._nodes += anchored.nodes
        if self._nodes > MAX_NODES:
            self._too_many(event)
        self._place(frame, anchored.value, event)

    def _too_many(self, event: Any) -> None:
        self._report(problems.too_many(MAX_NODES, type(event) is AliasEvent), event)
        raise _Enough

    def _place(self, frame: _Frame, value: Any, event: Any) -> None:
        """Puts a node into its collection: as an item, as a key that waits for its value, or as that value."""
        key = frame.key
        if key is _NO_KEY:
            frame.key = self._key(frame, value, event)
        elif key is None:
            frame.value.append(value)
        else:
            if key is not _REFUSED_KEY:
                frame.value[key] = value
            frame.key = _NO_KEY

    def _key(self, frame: _Frame, key: Any, event: Any) -> Any:
        """`key`, or _REFUSED_KEY where it cannot be one."""
        if type(key) is not str:
            nested = type(event) is not ScalarEvent
            self._report(problems.NESTED_KEY if nested else problems.key(event.value), event)
        elif key == "<<" and not event.style and event.ctag is None:
            self._report(problems.MERGE_KEY, event)
        elif (first := frame.keys.setdefault(key, mark := event.start_mark)) is not mark:
            self._report(problems.duplicate(key), event, first, (key,))
        else:
            return key
        return _REFUSED_KEY

    def _broken(self, error: Any, last: Any) -> None:
        if between_documents(last):
            self._number += 1
        elif type(last) is DocumentEndEvent:
            self.documents = [document for document in self.documents if document.number != self._number]
        opening = self._stack[-1].event if self._stack else None
        found = explain(self._events.text, error, last, opening)
        related = tuple(Related(note, self._at(mark, mark)) for note, mark in found.related)
        self._add(found.problem, self._at(found.start, found.end), related)
        self._stack.clear()

    def _report(self, problem: Problem, event: Any, first: Mark | None = None, step: Pointer = ()) -> None:
        location = self._at(event.start_mark, event.end_mark, step)
        related = () if first is None else (Related("first defined here", self._at(first, first, step)),)
        self._add(problem, location, related)

    def _add(self, problem: Problem, location: Location, related: tuple[Related, ...]) -> None:
        self.findings.append(Diagnostic(*problem, location=location, related=related))
        if len(self.findings) >= MAX_FINDINGS:
            raise _Enough

    def _at(self, start: Mark, end: Mark, step: Pointer = ()) -> Location:
        pointer = tuple(part for frame in self._stack[1:] for part in frame.step())
        return self._events.text.location(start, end, max(self._number, 0), pointer + step)


def _pass(_: Any) -> None:
    """The events of the stream itself say nothing."""


def _is_empty(root: Any) -> bool:
    """Whether a document has no content at all, as between two lines `---`."""
    return type(root) is ScalarEvent and root.implicit[0] and root.start_mark.index == root.end_mark.index


def _shorthand(tag: str) -> str:
    return "!!" + tag.removeprefix(TAG_PREFIX) if tag.startswith(TAG_PREFIX) else tag
