"""Colours and weights of a terminal, or none of them."""

from __future__ import annotations

from typing import NamedTuple


class Style(NamedTuple):
    """Each method gives `text` as it is written; with `color` off that is `text` itself."""

    color: bool

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[22m" if self.color else text

    def dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[22m" if self.color else text

    def red(self, text: str) -> str:
        return f"\x1b[31m{text}\x1b[39m" if self.color else text

    def green(self, text: str) -> str:
        return f"\x1b[32m{text}\x1b[39m" if self.color else text

    def yellow(self, text: str) -> str:
        return f"\x1b[33m{text}\x1b[39m" if self.color else text

    def cyan(self, text: str) -> str:
        return f"\x1b[36m{text}\x1b[39m" if self.color else text


PLAIN = Style(color=False)
