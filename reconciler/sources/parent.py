"""A source that can also open the sub-registries that its files name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.model.resource import Snapshot
from reconciler.ports import Source

if TYPE_CHECKING:
    from reconciler.sources.subregistry import SubRegistries


class ParentSource:
    """`source`; what `open_children` gives is asked for only where there are sub-registries."""

    def __init__(self, source: Source, open_children: Callable[[], SubRegistries]) -> None:
        self._source = source
        self._open_children = open_children

    @cached_property
    def children(self) -> SubRegistries:
        return self._open_children()

    def begin(self, patterns: Sequence[str]) -> Callable[[], Snapshot]:
        return self._source.begin(patterns)

    def snapshot(self, patterns: Sequence[str]) -> Snapshot:
        return self._source.snapshot(patterns)

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        return self._source.read(paths)

    def refusal(self, path: str) -> str:
        return self._source.refusal(path)
