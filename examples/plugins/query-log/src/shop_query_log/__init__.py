"""Records what is searched for, without who."""

from __future__ import annotations

import logging
from collections.abc import Sequence

LOG = logging.getLogger("shop.search")


def record(words: Sequence[str], found: int) -> None:
    LOG.info("searched for %s: %d found", " ".join(words), found)
