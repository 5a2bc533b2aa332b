"""libyaml's events of a text, handed to whoever reads it. What stands behind a broken document is read all the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from _ruamel_yaml import (
    CParser,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
    YAMLError,
)

from reconciler.compiler.text import MAX_DEPTH, Mark, Text

Handlers: TypeAlias = Mapping[type, Callable[[Any], None]]

_PLAIN = re.compile(r"""(?<=[^\s,\[\]{}"']):(?=[^\s,\[\]{}])|(?<=[\s,\[{]):(?=[^\s,\[\]{}])|(?<=[^\s,\[\]{}])\?""")
"""A colon or a question mark inside a word. Between brackets YAML 1.2 takes it for text, and this libyaml does not."""

_STAND_INS = {":": "\ue000", "?": "\ue001"}
_MEANT = str.maketrans({stand_in: sign for sign, stand_in in _STAND_INS.items()})


class Abandon(Exception):
    """Raised by a handler that wants no more of the document it is in."""


class Events:
    """The events of a text. `text` is the part of it that is being read: marks count from its start."""

    def __init__(self, text: Text) -> None:
        content = _with_stand_ins(text.content)
        self.text = text
        self._parser = CParser(content)
        self._has_stand_ins = content is not text.content

    def run(self, handlers: Handlers, broken: Callable[[Any, Any], None]) -> None:
        """Calls the handler of each event's type; `broken` gets a syntax error and the event before it."""
        rest = self._read(handlers, broken)
        while rest is not None:
            self.text = rest
            self._parser = CParser(rest.content)
            rest = self._read(handlers, broken)

    def peek(self) -> Any:
        """The next event. Raises YAMLError, as a handler may."""
        return self._parser.peek_event()

    def _events(self) -> Iterator[Any]:
        events = iter(self._parser.get_event, None)
        return map(_restored, events) if self._has_stand_ins else events

    def _read(self, handlers: Handlers, broken: Callable[[Any, Any], None]) -> Text | None:
        """Reads to the end, or to a place from which on nothing makes sense; then returns the documents behind it."""
        event: Any = None
        try:
            for event in self._events():
                handlers[type(event)](event)
        except YAMLError as error:
            broken(error, event)
            return self._behind(error.problem_mark)
        except Abandon:
            return self.text.after(event.start_mark.index)
        return None

    def _behind(self, mark: Mark) -> Text | None:
        """The documents behind a syntax error. The first line `---` behind a directive starts the directive's own."""
        rest = self.text.after(mark.index)
        is_directive = self.text.line_at(mark).startswith("%")
        return rest.after(1) if rest and is_directive else rest


def between_documents(last: Any) -> bool:
    """Whether an error behind the event `last` belongs to a document of its own. An error behind a document that was
    not ended in writing belongs to that document."""
    return type(last) in (type(None), StreamStartEvent) or (type(last) is DocumentEndEvent and last.explicit)


def _with_stand_ins(content: str) -> str:
    """`content`, or where libyaml refuses only its colons and question marks inside words, it with others instead."""
    if not ("[" in content or "{" in content) or not _PLAIN.search(content) or _is_sound(content):
        return content
    replaced = _PLAIN.sub(lambda match: _STAND_INS[match[0]], content)
    return replaced if content.translate(_MEANT) == content and _is_sound(replaced) else content


def _is_sound(content: str) -> bool:
    """Whether libyaml reads all of `content`. Collections too deep to be read on are not."""
    depth, last = 0, None
    parser = CParser(content)
    try:
        for event in iter(parser.get_event, None):
            depth += _STEPS.get(type(event), 0)
            if depth > MAX_DEPTH or _lacks_space(last, event):
                return False
            last = event
    except YAMLError:
        return False
    return True


def _lacks_space(last: Any, event: Any) -> bool:
    """Whether `event` is the missing value of a key like b:c, where a space was forgotten rather than text meant."""
    return (
        type(last) is type(event) is ScalarEvent
        and event.start_mark.index == event.end_mark.index == last.end_mark.index
        and last.value.translate(_MEANT) != last.value
    )


_STEPS = {MappingStartEvent: 1, SequenceStartEvent: 1, MappingEndEvent: -1, SequenceEndEvent: -1}


def _restored(event: Any) -> Any:
    if type(event) is ScalarEvent:
        event.value = event.value.translate(_MEANT)
    return event
