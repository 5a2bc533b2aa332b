"""The files of one commit as a source, read from git's objects: the work tree is neither looked at nor touched.

Everything is counted before it is read, since a small repository can hold very much: how many paths the commit has, how
large each file is, and how much all of them are together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.resource import Snapshot
from reconciler.sources import git
from reconciler.sources.findings import NESTED, Findings
from reconciler.sources.paths import Globs
from reconciler.sources.reader import LINK, MAX_BYTES

MAX_PATHS = 500_000
MAX_TOTAL = 256 << 20
"""The most bytes that are read of one commit."""

_TREE, _LINK, _COMMIT = "040000", "120000", "160000"
_GONE = "is not in the commit"
_MISSING = "is not in this copy of the repository; fetch it"


class _Entry(NamedTuple):
    """A line of `git ls-tree -z`: `<mode> <type> <id><tab><path>`."""

    mode: str
    id: str
    path: str


class GitTree:
    """Satisfies ports.Source for the folder `root` as it is in `commit` (a full id)."""

    def __init__(self, root: Path, commit: str) -> None:
        self._root = root
        self._commit = commit
        self._ids: dict[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._last: tuple[tuple[str, ...], Snapshot] | None = None
        """The patterns of the last snapshot, and what it was: a commit never changes."""

    def begin(self, patterns: Sequence[str]) -> Callable[[], Snapshot]:
        wanted = tuple(patterns)
        if self._last and self._last[0] == wanted:
            known = self._last[1]
            return lambda: known
        globs = Globs(patterns)
        folders = [] if "" in globs.roots else globs.roots
        listing = git.start(self._root, "ls-tree", "-r", "-z", self._commit, *_literal(folders))
        return lambda: self._end(wanted, globs, listing)

    def snapshot(self, patterns: Sequence[str]) -> Snapshot:
        return self.begin(patterns)()

    def _end(self, patterns: tuple[str, ...], globs: Globs, listing: git.Process) -> Snapshot:
        found = Findings(globs, self._commit)
        links = []
        for entry in _entries(listing):
            if entry.mode == _COMMIT and (globs.matches(entry.path) or globs.reach(entry.path)):
                found.refuse(entry.path, NESTED)
            elif globs.matches(entry.path):
                found.ids[entry.path] = entry.id
                if entry.mode == _LINK:
                    found.refuse(entry.path, LINK)
            elif entry.mode == _LINK and globs.reach(entry.path):
                links.append(entry.path)
        for path in (*self._to_folders(links), *self._links_above(globs.roots)):
            found.refuse(path, LINK)
        found.refuse_unprintable()
        self._ids, self._refusals = found.ids, found.refusals
        snapshot = found.snapshot()
        self._last = patterns, snapshot
        return snapshot

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        self._look_up([path for path in paths if path not in self._ids])
        wanted = {path: self._ids[path] for path in paths if self._ids[path]}
        readable = self._readable(wanted)
        blobs = self._blobs([blob for blob in dict.fromkeys(wanted.values()) if blob in readable])
        return {path: blobs[blob] for path, blob in wanted.items() if blob in blobs}

    def refusal(self, path: str) -> str:
        return self._refusals.get(path, "")

    def _look_up(self, paths: Sequence[str]) -> None:
        """Finds the ids of paths that no snapshot has shown."""
        entries = {entry.path: entry for entry in self._list(paths)}
        for path in paths:
            entry = entries.get(path)
            why = _GONE if entry is None or entry.mode in {_TREE, _COMMIT} else LINK if entry.mode == _LINK else ""
            self._ids[path] = "" if why else entries[path].id
            if why:
                self._refusals[path] = why

    def _list(self, paths: Sequence[str]) -> list[_Entry]:
        if not paths:
            return []
        return list(_entries(git.start(self._root, "ls-tree", "-z", self._commit, *_literal(paths))))

    def _readable(self, wanted: Mapping[str, str]) -> set[str]:
        """The ids of the files that are there and not too large. Raises Invalid where they are too large together."""
        sizes = self._sizes(dict.fromkeys(wanted.values()))
        for path, blob in wanted.items():
            size = sizes[blob]
            if size is None:
                self._refusals[path] = _MISSING
            elif size > MAX_BYTES:
                self._refusals[path] = f"has {size:,} bytes; ureg reads files of up to {MAX_BYTES:,} bytes"
        readable = {blob: size for blob, size in sizes.items() if size is not None and size <= MAX_BYTES}
        if sum(readable.values()) > MAX_TOTAL:
            raise _too_much(self._commit, f"more than {MAX_TOTAL:,} bytes of manifests")
        return set(readable)

    def _sizes(self, ids: Iterable[str]) -> dict[str, int | None]:
        sizes: dict[str, int | None] = {}
        for line in self._batch("--batch-check", ids).splitlines():
            name, kind, *size = line.decode().split(" ")
            sizes[name] = int(size[0]) if kind == "blob" else None
        return sizes

    def _blobs(self, ids: Sequence[str]) -> dict[str, bytes]:
        output, place = self._batch("--batch", ids), 0
        blobs: dict[str, bytes] = {}
        for blob in ids:
            start = output.index(b"\n", place) + 1
            end = start + int(output[place : start - 1].rpartition(b" ")[2])
            blobs[blob] = output[start:end]
            place = end + 1
        return blobs

    def _to_folders(self, links: Sequence[str]) -> list[str]:
        """Those of `links` that lead to a folder, or out of the repository where nobody can tell."""
        names = [path for path in links if path.isprintable()]
        answers = iter(
            self._batch("--batch-check", [f"{self._commit}:./{name}" for name in names], follow=True).split(b"\n")
        )
        hiding = [path for path in links if not path.isprintable()]
        for name in names:
            answer = next(answers)
            if b" tree " in answer or answer.startswith(b"symlink "):
                hiding.append(name)
            if answer.split(b" ")[0] in {b"symlink", b"dangling", b"loop", b"notdir"}:
                next(answers)  # a second line says where it leads
        return hiding

    def _links_above(self, folders: Iterable[str]) -> list[str]:
        """The links that stand where a folder above one of `folders` should be."""
        names = [folder.split("/") for folder in folders]
        above = {"/".join(parts[:depth]) for parts in names for depth in range(1, len(parts))}
        return [entry.path for entry in self._list(sorted(above)) if entry.mode == _LINK]

    def _batch(self, option: str, names: Iterable[str], follow: bool = False) -> bytes:
        """What `git cat-file` says of each of `names`, in their order."""
        data = "".join(f"{name}\n" for name in names).encode()
        if not data:
            return b""
        options = (option, "--follow-symlinks") if follow else (option,)
        return git.run_git(self._root, "cat-file", *options, data=data)


def _entries(listing: git.Process) -> Iterator[_Entry]:
    with listing:
        try:
            text = listing.listing(MAX_PATHS).decode("utf-8", "surrogateescape")
        except git.TooMuch:
            raise _too_much("a commit", f"more than {MAX_PATHS:,} files") from None
    for line in text.split("\0")[:-1]:
        head, _, path = line.partition("\t")
        yield _Entry(head[:6], head.rpartition(" ")[2], path)


def _literal(paths: Iterable[str]) -> list[str]:
    return ["--", *(f":(literal){path}" for path in paths)]


def _too_much(commit: str, what: str) -> Invalid:
    return Invalid(
        Diagnostic(
            "commit-too-large",
            f"{commit[:12]} holds {what}",
            "It is not read any further.",
            "Keep only manifests below the registry's folder.",
        )
    )
