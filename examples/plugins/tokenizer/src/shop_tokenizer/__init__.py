"""Splits product texts into words."""

from __future__ import annotations

import re
import sys

STOP_WORDS = frozenset({"a", "and", "for", "the", "with"})


def tokenize(text: str) -> list[str]:
    """The words of `text` in lower case, without those that say nothing and without a plural's `s`."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return [word.removesuffix("s") for word in words if word not in STOP_WORDS]


def main() -> None:
    print(*tokenize(" ".join(sys.argv[1:])))
