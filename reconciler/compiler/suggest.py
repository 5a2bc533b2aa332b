"""Did you mean: the word that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest

_LONGEST = 100
_MANY = 200


def closest(word: str, candidates: Iterable[str]) -> str:
    """The candidate most like `word`, in any case; "" where none is like it.

    Costs about a millisecond for a hundred candidates; of more than that only those that begin or end like `word` are
    looked at closely.
    """
    from difflib import get_close_matches

    if not word or len(word) > _LONGEST:
        return ""
    spelling = {candidate.lower(): candidate for candidate in candidates if len(candidate) <= _LONGEST}
    lower = word.lower()
    names: Iterable[str] = spelling
    if len(spelling) > _MANY:
        names = nlargest(_MANY, spelling, key=lambda name: _shared_ends(name, lower))
    matches = get_close_matches(lower, names, n=1, cutoff=0.6)
    return spelling[matches[0]] if matches else ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A hint for the user; "" where no candidate is like `word`."""
    best = closest(word, candidates)
    return f'Did you mean "{best}"?' if best else ""


def _shared_ends(one: str, other: str) -> int:
    return _shared_start(one, other) + _shared_start(one[::-1], other[::-1])


def _shared_start(one: str, other: str) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
