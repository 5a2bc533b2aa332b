"""What the reader refuses in well-formed YAML, in words."""

from __future__ import annotations

from typing import NamedTuple

MAX_QUOTED = 60
"""Characters of a name that a message repeats."""


class Problem(NamedTuple):
    """The words of a diagnostic whose place is known elsewhere."""

    code: str
    summary: str
    detail: str = ""
    hint: str = ""


MERGE_KEY = Problem(
    "yaml-merge-key",
    "Merge keys (<<) are not supported",
    "YAML 1.2 has no merge keys: the aliased keys would not be found here.",
    'Write the keys out. Where a key of that name is meant, quote it: "<<".',
)
NUL = Problem(
    "yaml-control-character",
    "A text cannot hold the character NUL",
    "An escape in this text stands for it.",
    "Remove the escape.",
)
NESTED_KEY = Problem(
    "yaml-key",
    "A key must be a string",
    "A list or a mapping stands here as a key.",
    "Use a string as the key. A text that starts with [ or { needs quotes.",
)


def _short(name: str) -> str:
    return name if len(name) <= MAX_QUOTED else name[:MAX_QUOTED] + "..."


def number(detail: str) -> Problem:
    return Problem("yaml-number", "This number cannot be kept", detail, "Quote it to keep it as text.")


def key(text: str) -> Problem:
    if not text:
        return Problem("yaml-key", "A key is missing before this colon", "", "Write a key, or remove the colon.")
    detail = f"{_short(text)} without quotes is not a string in YAML."
    return Problem("yaml-key", "A key must be a string", detail, f'Quote it: "{_short(text)}".')


def duplicate(text: str) -> Problem:
    return Problem(
        "yaml-duplicate-key", f'The key "{_short(text)}" stands twice in this mapping', "", "Remove one of the two."
    )


def tag(name: str) -> Problem:
    return Problem(
        "yaml-tag",
        f"The tag {_short(name)} is not supported",
        "Only !!str, !!int, !!float, !!bool, !!null, !!map and !!seq are, each on a value of its type.",
        "Remove the tag, or quote the value if a text that starts with ! is meant.",
    )


def tagged_value(detail: str) -> Problem:
    return Problem("yaml-tag", "This value does not fit its tag", detail, "Change the value, or remove the tag.")


def undefined_anchor(name: str) -> Problem:
    name = _short(name)
    hint = f"Define &{name} before this place, or quote the value if a text that starts with * is meant."
    return Problem(
        "yaml-alias", f"The anchor {name} is not defined", f"*{name} stands for the value marked &{name}.", hint
    )


def circular_anchor(name: str) -> Problem:
    name = _short(name)
    detail = f"*{name} stands inside the value marked &{name}."
    return Problem("yaml-alias", f"The anchor {name} would contain itself", detail, "Write the value out.")


def too_deep(limit: int) -> Problem:
    hint = "Make the document flatter. Or is a closing bracket missing?"
    return Problem("yaml-depth", f"This is nested more than {limit} levels deep", "", hint)


def too_many(limit: int, by_alias: bool) -> Problem:
    if by_alias:
        detail = "Each alias counts as all the values that it stands for."
        return Problem(
            "yaml-alias", f"Aliases make this file hold more than {limit:,} values", detail, "Use fewer of them."
        )
    return Problem("yaml-size", f"This file holds more than {limit:,} values", "", "Split it into several files.")
