"""A compile cache whose entries stay in memory, for a program that compiles again and again."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.resource import Resource
from reconciler.ports import CompileCache


class KeptCache:
    """Satisfies ports.CompileCache, over one that outlives the program."""

    def __init__(self, cache: CompileCache) -> None:
        self._cache = cache
        self._schemas = ""
        self._entries: Mapping[tuple[str, str], tuple[Resource, ...]] = {}

    def load(self, schemas: str) -> Mapping[tuple[str, str], tuple[Resource, ...]]:
        if schemas != self._schemas:
            self._schemas, self._entries = schemas, self._cache.load(schemas)
        return self._entries

    def store(self, schemas: str, entries: Mapping[tuple[str, str], tuple[Resource, ...]]) -> None:
        self._schemas, self._entries = schemas, entries
        self._cache.store(schemas, entries)

    def recall(self, digest: str) -> str | None:
        return self._cache.recall(digest)

    def remember(self, digest: str, finding: str) -> None:
        self._cache.remember(digest, finding)
