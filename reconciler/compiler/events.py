"""libyaml's events of a text, handed to whoever reads it. What stands behind a broken document is read all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from _ruamel_yaml import CParser, DocumentEndEvent, StreamStartEvent, YAMLError

from reconciler.compiler.text import Mark, Text

Handlers: TypeAlias = Mapping[type, Callable[[Any], None]]


class Abandon(Exception):
    """Raised by a handler that wants no more of the document it is in."""


class Events:
    """The events of a text. `text` is the part of it that is being read: marks count from its start."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self._parser = CParser(text.content)

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

    def _read(self, handlers: Handlers, broken: Callable[[Any, Any], None]) -> Text | None:
        """Reads to the end, or to a place from which on nothing makes sense; then returns the documents behind it."""
        event: Any = None
        try:
            for event in iter(self._parser.get_event, None):
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
