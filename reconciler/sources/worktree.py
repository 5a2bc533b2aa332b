"""The work tree as a source: what is on disk now, committed or not, without what git ignores.

Inside a git repository the content ids of unchanged files are git's own, so that only what changed is read; elsewhere
every file is read and gets the id that git would give it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.resource import Snapshot
from reconciler.sources import git
from reconciler.sources.findings import NESTED, Findings
from reconciler.sources.paths import Globs, printable
from reconciler.sources.reader import LINK, Reader, Refused

_CLOCK_STEP = 20_000_000
"""Nanoseconds by which a file's time of change may lag behind the clock."""

_STATUS = (
    "status",
    "--porcelain=v2",
    "-z",
    "--branch",
    "--no-ahead-behind",
    "--untracked-files=all",
    "--no-renames",
    "--ignore-submodules=all",
)

_FILTERS = ("config", "--null", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")

_CONFLICT = "has merge conflicts; resolve them and run git add"


class _Findings(Findings):
    """What a look at the tree collects."""

    def __init__(self, globs: Globs, reader: Reader) -> None:
        super().__init__(globs)
        self.reader = reader

    def identify(self, path: str) -> None:
        """Gives `path` the id of what it holds now."""
        try:
            self.ids[path] = blob_id(self.reader.read(path).data)
        except Refused as refused:
            self.refuse(path, str(refused))

    def hides_files(self, path: str) -> bool:
        """Whether `path` is a link in the place of a folder that the patterns reach into."""
        return self.globs.reach(path) and self.reader.links_to_folder(path)


class WorkTree:
    """Satisfies ports.Source for the folder `root`, which may lie anywhere inside a git repository, or in none."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._ids: Mapping[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._since = 0

    def begin(self, patterns: Sequence[str]) -> Callable[[], Snapshot]:
        globs = Globs(patterns)
        self._since = time.time_ns() - _CLOCK_STEP
        listing = _Listing(self._root, globs.roots) if git.is_repository(self._root) else None
        return lambda: self._end(globs, listing)

    def snapshot(self, patterns: Sequence[str]) -> Snapshot:
        return self.begin(patterns)()

    def _end(self, globs: Globs, listing: _Listing | None) -> Snapshot:
        with _open(self._root) as reader:
            found = _Findings(globs, reader)
            if listing:
                listing.take(found)
            else:
                _walk(self._root, found)
            found.refuse_unprintable()
            for folder in globs.roots:
                if why := folder and reader.obstacle(folder):
                    found.refuse(folder, why)
        self._ids, self._refusals = found.ids, found.refusals
        return found.snapshot()

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        contents: dict[str, bytes] = {}
        with _open(self._root) as reader:
            for path in paths:
                try:
                    contents[path] = self._read(reader, path)
                    self._refusals.pop(path, None)
                except Refused as refused:
                    self._refusals[path] = str(refused)
        return contents

    def refusal(self, path: str) -> str:
        return self._refusals.get(path, "")

    def _read(self, reader: Reader, path: str) -> bytes:
        """What `path` holds, if that is what the last snapshot saw: a file that changed since has another id."""
        if self._ids.get(path) == "":
            raise Refused(self._refusals[path])
        data, changed = reader.read(path)
        if changed >= self._since and path in self._ids and self._ids[path] != blob_id(data):
            raise Refused("changed while it was being read; run again")
        return data


def blob_id(data: bytes) -> str:
    """The id that git gives a file that holds `data`."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


def _open(root: Path) -> Reader:
    try:
        return Reader(root)
    except OSError as error:
        summary = f"the folder {printable(str(root))} cannot be read"
        raise Invalid(Diagnostic("unreadable-root", summary, f"{error.strerror}.")) from None


class _Listing:
    """What git says of the files below `root`: its processes run while others work, and are read by `take`."""

    def __init__(self, root: Path, folders: Sequence[str]) -> None:
        self._root = root
        within = ("--", *(f":(literal){folder or '.'}" for folder in folders))
        with ExitStack() as running:
            filters = running.enter_context(git.start(root, *_FILTERS))
            self._place = running.enter_context(git.start(root, "rev-parse", "--show-prefix", "--show-toplevel"))
            self._index = running.enter_context(git.start(root, "ls-files", "-s", "-v", "-z", *within))
            settings = git.without_filters(filters.wait(ok=(0, 1)))
            self._status = running.enter_context(git.start(root, *_STATUS, *within, settings=settings))
            self._running = running.pop_all()

    def take(self, found: _Findings) -> None:
        with self._running:
            prefix = _prefix(self._root, self._place.wait())
            _take_index(_text(self._index.wait()), found)
            _take_status(_text(self._status.wait()), prefix, found)


def _text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")


def _prefix(root: Path, answer: bytes) -> str:
    """The way from the repository's top to `root`, "" or ending with a slash."""
    prefix, _, top = _text(answer).removesuffix("\n").partition("\n")
    if os.path.normpath(f"{top}/{prefix}") != str(root):
        raise git.GitError(
            f"the git repository around {printable(str(root))} keeps its files elsewhere",
            f"Its work tree is {printable(top)}.",
            "Run ureg inside that folder, or unset core.worktree.",
        )
    return prefix


def _take_index(listing: str, found: _Findings) -> None:
    """Takes the files of the index with their ids; `git ls-files -s -v -z` prints `H 100644 <id> 0<tab><path>`."""
    matches = found.globs.matches
    entries = listing.split("\0")
    end = len(entries[0].partition("\t")[0]) + 1  # of all heads, since ids are of one length
    plain = [entry for entry in entries if entry[:5] == "H 100" and entry[end - 2 : end] == "0\t"]
    found.ids.update({path: entry[9 : end - 3] for entry in plain if matches(path := entry[end:])})
    if len(plain) < len(entries) - 1:
        for entry in sorted(set(entries).difference(plain)):
            head, _, path = entry.partition("\t")
            if path:
                _take_odd(head, path, found)


def _take_odd(head: str, path: str, found: _Findings) -> None:
    """Takes what is no plain tracked file. Conflicts are left to the status; so is what is not on disk."""
    mode, stage = head[2:8], head[-1]
    if stage != "0":
        return
    if mode == "160000":
        if found.globs.matches(path) or found.globs.reach(path):
            found.refuse(path, NESTED)
    elif mode == "120000":
        if found.globs.matches(path) or found.hides_files(path):
            found.refuse(path, LINK)
    elif found.globs.matches(path):
        # Flagged as assume-unchanged or skip-worktree: git did not look, so its id says nothing about the disk.
        found.identify(path)


def _take_status(listing: str, prefix: str, found: _Findings) -> None:
    """Takes what `git status --porcelain=v2 -z --branch` says differs from HEAD."""
    for entry in listing.split("\0"):
        kind = entry[:2]
        if kind == "1 ":
            _take_changed(entry[3], entry.split(" ", 8)[8].removeprefix(prefix), found)
        elif kind == "u ":
            path = entry.split(" ", 10)[10].removeprefix(prefix)
            if found.globs.matches(path):
                found.dirty = True
                found.refuse(path, _CONFLICT)
        elif kind == "? ":
            _take_untracked(entry[2:].removeprefix(prefix), found)
        elif entry.startswith("# branch.oid ") and not entry.endswith("(initial)"):
            found.commit = entry[13:]


def _take_changed(in_worktree: str, path: str, found: _Findings) -> None:
    if not found.globs.matches(path):
        return
    found.dirty = True
    if in_worktree == "D":
        found.ids.pop(path, None)
        found.refusals.pop(path, None)
    elif in_worktree != ".":
        found.refusals.pop(path, None)
        found.identify(path)


def _take_untracked(path: str, found: _Findings) -> None:
    folder = path.removesuffix("/")
    if path != folder:
        # git shows a folder only where it is a repository of its own.
        if found.globs.reach(folder):
            found.dirty = True
            found.refuse(folder, NESTED)
    elif found.globs.matches(path):
        found.dirty = True
        found.identify(path)
    elif found.hides_files(path):
        found.dirty = True
        found.refuse(path, LINK)


def _walk(root: Path, found: _Findings) -> None:
    for path in _files_below(root, found):
        found.identify(path)
    found.dirty = bool(found.ids)


def _files_below(root: Path, found: _Findings) -> Iterator[str]:
    """The paths that match, links and devices too."""
    waiting = [folder for folder in found.globs.roots if not (folder and found.reader.obstacle(folder))]
    seen: set[str] = set()
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        for path, is_folder in _entries(root, folder, found):
            if is_folder:
                waiting.append(path)
            elif found.globs.matches(path):
                yield path
            elif found.hides_files(path):
                found.refuse(path, LINK)


def _entries(root: Path, folder: str, found: _Findings) -> list[tuple[str, bool]]:
    """What `folder` holds: paths from the root, and whether each is a folder to look into."""
    try:
        with os.scandir(root / folder) as entries:
            named = [(f"{folder}/{e.name}" if folder else e.name, e.is_dir(follow_symlinks=False)) for e in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        found.refuse(folder, f"cannot be listed: {error.strerror}")
        return []
    return [(path, is_folder) for path, is_folder in named if not is_folder or found.globs.reach(path)]
