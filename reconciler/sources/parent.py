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

    def taken(self, patterns: Sequence[str]) -> tuple[Snapshot, ParentSource]:
        """A snapshot of `patterns`, and the source with that at hand, which is not looked at again for it."""
        snapshot = self._source.snapshot(patterns)
        return snapshot, ParentSource(_Taken(self._source, tuple(patterns), snapshot), lambda: self.children)

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


class _Taken:
    """Satisfies ports.Source: `source`, of which the snapshot of `patterns` is at hand."""

    def __init__(self, source: Source, patterns: tuple[str, ...], snapshot: Snapshot) -> None:
        self._patterns = patterns
        self._snapshot = snapshot
        self.read = source.read
        self.refusal = source.refusal
        self._source = source

    def begin(self, patterns: Sequence[str]) -> Callable[[], Snapshot]:
        return (lambda: self._snapshot) if tuple(patterns) == self._patterns else self._source.begin(patterns)

    def snapshot(self, patterns: Sequence[str]) -> Snapshot:
        return self.begin(patterns)()
