"""libyaml's syntax errors in words that help: what is wrong, at its true place, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from reconciler.compiler.problems import Problem
from reconciler.compiler.text import Mark, Text

_CLOSING = {"[": "]", "{": "}"}
_MAX_KEY = 1024
"""libyaml's limit, in characters, for a key without `?`."""


class Explanation(NamedTuple):
    """A problem from `start` to `end`, with other places that belong to it, each with a note."""

    problem: Problem
    start: Mark
    end: Mark
    related: tuple[tuple[str, Mark], ...] = ()


class _Case(NamedTuple):
    """What libyaml said (`problem` and `context`, each with its place), the event it gave last, and the event that
    opened the innermost collection."""

    text: Text
    problem: str
    mark: Mark
    context: str
    context_mark: Mark
    last: Any
    opening: Any

    @property
    def character(self) -> str:
        """What stands where the problem is; "" at the end of the text."""
        return self.text.content[self.mark.index : self.mark.index + 1]

    @property
    def at_end(self) -> bool:
        """Whether the document ends here, before its content does."""
        return not self.character or (self.mark.column == 0 and self.line[:3] in ("---", "..."))

    @property
    def line(self) -> str:
        return self.text.line_at(self.mark)

    def number(self, mark: Mark) -> int:
        """The number of a mark's line, for people."""
        return self.text.line + mark.line


def explain(text: Text, error: Any, last: Any, opening: Any) -> Explanation:
    """What the syntax error `error` of libyaml means; `last` is the event before it, `opening` the one that opened the
    innermost collection."""
    mark = error.problem_mark
    case = _Case(text, error.problem, mark, error.context or "", error.context_mark or mark, last, opening)
    said = f"{case.context}: {case.problem}"
    for words, rule in _RULES:
        if words in said and (explanation := rule(case)) is not None:
            return explanation
    return _at(case, f"This is not valid YAML: {case.problem}")


def _at(case: _Case, summary: str, detail: str = "", hint: str = "", code: str = "yaml-syntax") -> Explanation:
    """The problem stands where libyaml saw it."""
    end = case.text.mark(min(case.mark.index + 1, len(case.text.content))) if case.character.strip() else case.mark
    return Explanation(Problem(code, summary, detail, hint), case.mark, end)


def _from(case: _Case, start: Mark, summary: str, hint: str, note: str = "") -> Explanation:
    """The problem begins before the place at which libyaml saw it."""
    related = ((note, case.mark),) if note else ()
    end = case.text.mark(min(start.index + 1, len(case.text.content)))
    return Explanation(Problem("yaml-syntax", summary, "", hint), start, end, related)


def _tab(case: _Case) -> Explanation | None:
    line = case.line
    indentation = line[: len(line) - len(line.lstrip(" \t"))]
    if "\t" not in indentation or _in_brackets(case):
        return None
    start = case.text.mark(case.mark.index - case.mark.column + indentation.index("\t"))
    return _from(case, start, "A tab stands in the indentation", "Indent with spaces: YAML allows no tabs there.")


def _quote(case: _Case) -> Explanation | None:
    if "end of stream" not in case.problem and "document indicator" not in case.problem:
        return None
    quote = case.text.content[case.context_mark.index]
    return _from(case, case.context_mark, "This quote is never closed", f"Add the closing {quote} where the text ends.")


def _escape(case: _Case) -> Explanation | None:
    if "Unicode" in case.problem:
        summary, detail = "This escape stands for no character", "Surrogates (\\ud800 to \\udfff) are no characters."
        return _at(case, summary, detail, "Write the character itself, or \\U with 8 digits.", "yaml-encoding")
    detail = "In double quotes a backslash starts an escape."
    return _at(case, "This escape is not known", detail, "Write two backslashes for one, or use single quotes.")


def _bracket(case: _Case) -> Explanation:
    opening = case.text.content[case.context_mark.index]
    closing = _CLOSING[opening]
    if case.at_end:
        return _unclosed(case, case.context_mark)
    if case.character == ":" and case.mark.line > case.context_mark.line:
        hint = f"Close it with {closing}, or put a comma between its entries."
        return _from(
            case, case.context_mark, f"The bracket {opening} is not closed before the next key", hint, "the key"
        )
    return _at(
        case, f"A comma or {closing} is expected here", "", "Put commas between the entries of a list or mapping."
    )


def _unclosed(case: _Case, start: Mark) -> Explanation:
    opening = case.text.content[start.index]
    hint = f"Add the closing {_CLOSING.get(opening, 'bracket')}."
    return _from(case, start, f"The bracket {opening} is never closed", hint)


def _content(case: _Case) -> Explanation:
    character = case.character
    if case.at_end and _in_brackets(case):
        return _unclosed(case, case.opening.start_mark)
    if character in ("]", "}"):
        return _at(case, f"This {character} closes nothing that is open", "", "Remove it, or quote the value.")
    if character == ",":
        return _at(case, "Nothing stands before this comma", "", "Remove the comma, or quote the value.")
    return _at(
        case, "A value is expected here", "", "Write a value, or quote it if it starts with a special character."
    )


def _colon(case: _Case) -> Explanation:
    """`key: value: more`, or a plain text that went on from the line before up to this colon."""
    if ": " in case.line[: case.mark.column]:
        hint = "Quote the value if the colon belongs to it; otherwise give the second key a line of its own."
        return _at(case, "A second key stands on one line", "", hint)
    if case.mark.column > _MAX_KEY:
        return _at(case, "This key is too long", "", f"A key may have up to {_MAX_KEY:,} characters.")
    before = _line_before(case)
    if before is None:
        return _at(case, "A colon cannot stand here", "", "Quote the text if the colon belongs to it.")
    if not _has_key(case.text.line_at(before)):
        return _no_colon(case, before)
    if case.line[: case.mark.column].strip() and _indentation(case.line) > before.column:
        detail = f"Line {case.number(before)} has a value already, so nothing can stand below it."
        return _at(case, "This line is indented too deep", detail, "Align it with the key above, or remove that value.")
    return _at(case, "A colon cannot stand here", "", "Quote the text if the colon belongs to it.")


def _simple_key(case: _Case) -> Explanation:
    return _no_colon(case, case.context_mark)


def _no_colon(case: _Case, start: Mark) -> Explanation:
    """Nothing on the line of `start` makes a key of it."""
    line = case.text.line_at(start)
    if len(line) > _MAX_KEY and ": " in line:
        return _from(case, start, "This key is too long", f"A key may have up to {_MAX_KEY:,} characters.")
    if ":" in line:
        return _from(case, start, "A space is missing behind the colon", "Write `key: value`.")
    return _from(case, start, "This line has no colon", "Write `key: value`, or `- ` before an item of a list.")


def _colon_in_brackets(case: _Case) -> Explanation:
    return _at(case, "A space is missing behind the colon", "", "Write `key: value`, or quote the text.")


def _key(case: _Case) -> Explanation:
    """Inside a block mapping stands something that is no key."""
    if type(case.last).__name__ == "ScalarEvent" and case.last.style in ("'", '"'):
        return _behind_quote(case)
    if case.character == ":":
        return _at(case, "A key is missing before this colon", "", "Write a key, or remove the colon.")
    if case.line[: case.mark.column].strip():
        return _at(case, "A new key cannot start here", "", "Quote the whole value, or start a new line.")
    if case.character == "-":
        return _at(case, "A list item stands among keys", "", "Indent the list below its key.")
    return _misaligned(case)


def _behind_quote(case: _Case) -> Explanation:
    quoted = case.last
    summary = "Text stands behind a closing quote"
    if quoted.start_mark.line == quoted.end_mark.line:
        return _at(case, summary, "", "Quote the whole value, or remove the quotes inside it.")
    line = case.number(quoted.start_mark)
    found = _at(case, summary, "", f"Is a closing quote missing in line {line}?")
    return found._replace(related=(("the quoted text starts here", quoted.start_mark),))


def _misaligned(case: _Case) -> Explanation:
    mapping = case.context_mark
    detail = (
        f"It starts in column {case.mark.column + 1}; the mapping around it starts in column {mapping.column + 1} "
        f"(line {case.number(mapping)})."
    )
    found = _at(case, "The indentation fits no line above", detail, "Align this line with the keys it belongs to.")
    return found._replace(related=(("the mapping starts here", mapping),))


def _item(case: _Case) -> Explanation:
    hint = "Start it with `- `, or indent it below its item."
    found = _at(case, "An item of the list is expected here", "", hint)
    return found._replace(related=(("the list starts here", case.context_mark),))


def _list_on_line(case: _Case) -> Explanation:
    hint = "Give the list a line of its own below the key, or quote the value if a dash is meant."
    return _at(case, "A list cannot start on this line", "", hint)


def _first_character(case: _Case) -> Explanation:
    if case.character == "\t":
        return _at(case, "A tab cannot stand here", "", "Use spaces.")
    return _at(case, f"A value cannot start with {case.character}", "", "Quote the value.")


def _name(case: _Case) -> Explanation:
    sign = case.text.content[case.context_mark.index]
    what = "alias" if sign == "*" else "anchor"
    hint = "Quote the value if text is meant."
    return _from(case, case.context_mark, f"A value that starts with {sign} is an {what}, and has no proper name", hint)


def _tag(case: _Case) -> Explanation:
    start = case.context_mark if case.context else case.mark
    found = _from(case, start, "A value that starts with ! is a tag", "Quote the value if text is meant.")
    return found._replace(problem=found.problem._replace(code="yaml-tag"))


def _block_header(case: _Case) -> Explanation:
    sign = case.text.content[case.context_mark.index]
    hint = f"Start the text on the next line, or quote the value if {sign} belongs to it."
    return _at(case, f"Text cannot follow {sign} on its line", "", hint)


def _document(case: _Case) -> Explanation:
    hint = "Align it with the first key of the document, or start a new document with a line ---."
    return _at(case, "This does not belong to the document above", "", hint)


def _directive(case: _Case) -> Explanation:
    return _at(case, f"A line that starts with % is a directive: {case.problem}", "", "Remove it.")


def _in_brackets(case: _Case) -> bool:
    return case.opening is not None and bool(case.opening.flow_style)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _has_key(line: str) -> bool:
    return ": " in line or line.rstrip().endswith(":")


def _line_before(case: _Case) -> Mark | None:
    """The start of the last line before the problem's that is neither blank nor a comment."""
    end = case.mark.index - case.mark.column
    while end > 0:
        start = case.text.content.rfind("\n", 0, end - 1) + 1
        line = case.text.content[start:end]
        if line.strip() and not line.lstrip().startswith("#"):
            return case.text.mark(start + _indentation(line))
        end = start
    return None


_RULES: tuple[tuple[str, Callable[[_Case], Explanation | None]], ...] = (
    ("quoted scalar: found unexpected", _quote),
    ("quoted scalar: ", _escape),
    ("", _tab),
    ("flow sequence: did not", _bracket),
    ("flow mapping: did not", _bracket),
    ("node: did not find expected node content", _content),
    ("found unexpected ':'", _colon_in_brackets),
    ("mapping values are not allowed", _colon),
    ("while scanning a simple key", _simple_key),
    ("block mapping: did not find expected key", _key),
    ("did not find expected '-' indicator", _item),
    ("block sequence entries are not allowed", _list_on_line),
    ("cannot start any token", _first_character),
    ("while scanning an a", _name),
    (" a tag: ", _tag),
    ("undefined tag handle", _tag),
    ("while scanning a block scalar", _block_header),
    ("expected <document start>", _document),
    ("directive", _directive),
    ("incompatible YAML", _directive),
)
"""Words of libyaml's context and problem, and what they mean; the first rule that has something to say speaks."""
