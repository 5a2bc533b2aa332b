"""Shows text that a stranger wrote on a terminal or in a CI log, so that it is read and never obeyed.

Control characters would move the cursor, bidirectional and invisible ones hide what is there, and CI runners take
`::error`, `##[error]` and `##vso[...]` at their word. All of them come out as visible escapes.
"""

from __future__ import annotations

import re

HIDDEN = (
    "\x7f-\x9f"  # DEL and C1
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"  # bidirectional, line ends, invisible
    "\ud800-\udfff"  # lone surrogates
    "\U000e0000-\U000e007f"  # tags
)
"""What a reader cannot see, beside the C0 controls, as the inside of a regular expression's character class."""

_MARKER = r"##(?=[A-Za-z]*\[)"
_UNSAFE = re.compile(rf"[\x00-\x1f{HIDDEN}]|{_MARKER}|\A\s*::")
_UNQUOTED = re.compile(rf'[\x00-\x1f{HIDDEN}"\\]|{_MARKER}')
_BROKEN = {'"': '\\"', "##": "#\\#"}


def escape(text: str) -> str:
    """`text` as one line without anything that acts on a terminal or a CI runner."""
    plain = text.isascii() and text.isprintable() and "::" not in text and "##" not in text
    return text if plain else _UNSAFE.sub(_visible, text)


def escape_lines(text: str) -> list[str]:
    """The lines of `text`, each escaped; a final line end makes no further line."""
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return [escape(line) for line in lines]


def headline(text: str) -> str:
    """The first line of `text`, escaped, with how many more there are."""
    first, *more = escape_lines(text.strip())
    return f"{first} (and {len(more)} more line{'s' * (len(more) != 1)})" if more else first


def quote(text: str) -> str:
    """`text` in double quotes, escaped, with its own quotes and backslashes told apart."""
    # Runs for every value of a plan: these looks cost half of one search.
    plain = text.isascii() and text.isprintable() and '"' not in text and "\\" not in text and "##" not in text
    return f'"{text}"' if plain else f'"{_UNQUOTED.sub(_visible, text)}"'


def _visible(match: re.Match[str]) -> str:
    text = match[0]
    if text in _BROKEN:
        return _BROKEN[text]
    if text.endswith("::"):
        return f"{text[:-1]}\\:"
    return text.encode("unicode_escape").decode()
