"""A notice on its way, and the failure of one attempt to deliver it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from reconciler.model.daemon import Notice


class Letter(NamedTuple):
    """`at` is when the notice was given, RFC 3339; `source` names the registry."""

    notice: Notice
    at: str
    source: str

    @property
    def id(self) -> str:
        """The same each time that the letter is sent."""
        text = f"{self.source}\0{self.notice.key}\0{self.at}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Undelivered(Exception):
    """It did not arrive. `again` says whether another attempt makes sense, `after` how long to wait for it at least,
    in seconds. The text names the receiver's host and never the rest of its address, which may be a secret."""

    def __init__(self, text: str, again: bool, after: float = 0.0) -> None:
        super().__init__(text)
        self.again = again
        self.after = after


Send: TypeAlias = "Callable[[Letter], None]"
"""Makes one attempt, within a bounded time. Raises Undelivered."""
