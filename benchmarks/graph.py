"""A made-up estate: which components there are, and which of them each one needs. It is the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

APPLICATION = 45
"""Components in one application."""
REFERENCES = (0, 1, 2, 3)
REFERENCE_WEIGHTS = (15, 35, 35, 15)
"""One and a half references a component on average."""
INSIDE = 0.9
"""The share of references that stay inside the application; the others go to the first one, the shared platform."""
SEED = 45


class Node(NamedTuple):
    """A component by its number, with the numbers of what it needs: always smaller ones, so there is no cycle."""

    number: int
    needs: tuple[int, ...]

    @property
    def application(self) -> int:
        return self.number // APPLICATION


def estate(size: int) -> Iterator[Node]:
    """The first `size` components, one after the other."""
    chance = random.Random(SEED)
    for number in range(size):
        count = chance.choices(REFERENCES, REFERENCE_WEIGHTS)[0]
        needs = {_earlier(chance, number) for _ in range(count if number else 0)}
        yield Node(number, tuple(sorted(needs)))


def _earlier(chance: random.Random, number: int) -> int:
    first = number - number % APPLICATION
    if number > first and chance.random() < INSIDE:
        return chance.randrange(first, number)
    return chance.randrange(min(number, APPLICATION))
