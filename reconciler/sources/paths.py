"""Globs over paths below a root: which files they match, which folders they reach into, which folders to look in.

`*` and `?` stay within a name, `**` stands for any number of folders, everything else means itself. As in a shell, a
wildcard does not match a leading dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reconciler.model.diagnostics import Diagnostic, Invalid

_MAX_STARS = 2
"""In one name. With one `**` a pattern, this bounds the work of matching a hostile pattern against a hostile path."""


class Globs:
    """A set of patterns. Raises Invalid, naming every pattern that is wrong."""

    def __init__(self, patterns: Sequence[str]) -> None:
        wrong = [_diagnostic(pattern, why) for pattern in patterns if (why := _fault(pattern))]
        if wrong:
            raise Invalid(*wrong)
        split = [pattern.split("/") for pattern in patterns]
        self.matches = _union(map(_file_regex, split)).fullmatch
        """Truthy for a path that a pattern matches."""
        self._reached = _union(map(_folder_regex, split)).fullmatch
        self.roots: tuple[str, ...] = tuple(sorted({_literal_folder(names) for names in split}))
        """The folders that hold everything that can match; "" is the root itself."""

    def reach(self, folder: str) -> bool:
        """Whether something inside `folder` could match."""
        return self._reached(f"/{folder}" if folder else "") is not None


def printable(name: str) -> str:
    """`name` with everything that a terminal or an encoder must not see written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def _fault(pattern: str) -> str:
    names = pattern.split("/")
    if not pattern.isprintable() or "\\" in pattern:
        return "it holds a backslash or a character that cannot be printed"
    if any(name in {"", ".", ".."} for name in names):
        return "it is not a plain path below the repository's root"
    if names.count("**") > 1 or any("**" in name and name != "**" for name in names):
        return "`**` may stand once, as a whole part between slashes"
    if any(name.count("*") > _MAX_STARS for name in names if name != "**"):
        return f"a name may hold `*` at most {_MAX_STARS} times"
    return ""


def _diagnostic(pattern: str, why: str) -> Diagnostic:
    return Diagnostic(
        code="bad-pattern",
        summary=f"{printable(pattern)!r} is not a usable file pattern",
        detail=f"{why[0].upper()}{why[1:]}.",
        hint="Write a path from the repository's root, for example registry.d/**/*.yaml.",
    )


def _union(regexes: Iterable[str]) -> re.Pattern[str]:
    # Without patterns this is an empty negative look-ahead, which matches nothing.
    return re.compile("|".join(f"(?:{regex})" for regex in regexes) or "(?!)")


def _name_regex(name: str) -> str:
    # The atomic group keeps a failure in a later name from being retried with every way to match this one.
    wildcards = {"*": "[^/]*", "?": "[^/]"}
    dot = r"(?!\.)" if name[0] in wildcards else ""
    return f"(?>{dot}{''.join(wildcards.get(c) or re.escape(c) for c in name)}(?=/|\\Z))"


def _file_regex(names: Sequence[str]) -> str:
    folders = "".join(r"(?:(?!\.)[^/]+/)*" if name == "**" else f"{_name_regex(name)}/" for name in names[:-1])
    return folders + (r"(?:(?!\.)[^/]+/)*(?!\.)[^/]+" if names[-1] == "**" else _name_regex(names[-1]))


def _folder_regex(names: Sequence[str]) -> str:
    anywhere = r"(?:/(?!\.)[^/]+)*"
    regex = anywhere if names[-1] == "**" else ""
    for name in reversed(names[:-1]):
        regex = anywhere if name == "**" else f"(?:/{_name_regex(name)}{regex})?"
    return regex


def _literal_folder(names: Sequence[str]) -> str:
    literal = [name for name in names if not set(name) & set("*?")]
    plain = names[: next((i for i, name in enumerate(names) if name not in literal), len(names))]
    return "/".join(plain[: len(names) - 1])
