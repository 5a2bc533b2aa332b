"""What a look at the files of one version collects, and the snapshot that it adds up to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

from reconciler.model.resource import Revision, Snapshot, SourceFile
from reconciler.sources.paths import Globs, printable

UNPRINTABLE = "has a name with characters that cannot be printed or are not UTF-8; rename it"
NESTED = "is another git repository; ureg reads only files of this one"

# Runs for every file there is: a named tuple's own constructor costs several times as much.
_source_file: Callable[[tuple[str, str]], SourceFile] = partial(tuple.__new__, SourceFile)


class Findings:
    """Content ids by path ("" for a file that is refused), and why that is so."""

    def __init__(self, globs: Globs, commit: str = "") -> None:
        self.globs = globs
        self.commit = commit
        self.dirty = False
        self.ids: dict[str, str] = {}
        self.refusals: dict[str, str] = {}

    def refuse(self, path: str, why: str) -> None:
        self.ids[path] = ""
        self.refusals[path] = why

    def refuse_unprintable(self) -> None:
        """Puts an escaped name in the place of one that could not be shown."""
        for path in [path for path in self.ids if not path.isprintable()]:
            del self.ids[path]
            self.refusals.pop(path, None)
            self.refuse(printable(path), UNPRINTABLE)

    def snapshot(self) -> Snapshot:
        files = sorted(self.ids.items())
        text = "\0".join([part for pair in files for part in pair])
        tree = hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
        return Snapshot(tuple(map(_source_file, files)), Revision(self.commit, tree, self.dirty))
