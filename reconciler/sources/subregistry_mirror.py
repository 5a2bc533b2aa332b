"""What is kept of one sub-registry in the user's cache folder: some commits, and what its refs were when last seen.

Each commit is a repository of its own, without history and without a checkout, put in place when it is whole and never
changed again: so nothing needs a lock, and a fetch that dies leaves nothing behind that could be taken for a commit.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from typing import Any

import orjson

from reconciler.sources import git
from reconciler.sources.subregistry_remote import Remote

_MOST_COMMITS = 5
"""How many are kept; the driver drops the others once one of them is applied."""


class Mirror:
    """The mirror of the repository `source` (a manifest's `spec.source`) for the sub-registry at `address`.

    The file `owner` says whose it is, so that the driver finds it without knowing how the folder's name is made.
    """

    def __init__(self, mirrors: Path, address: str, source: Mapping[str, Any]) -> None:
        self._owner = orjson.dumps({"address": address, "source": source}, option=orjson.OPT_SORT_KEYS)
        self.folder = mirrors / blake2b(self._owner, digest_size=16).hexdigest()

    def path(self, commit: str) -> Path:
        """The repository that holds `commit`, where it is kept."""
        return self.folder / commit

    def has(self, commit: str) -> bool:
        return self.path(commit).is_dir()

    def open(self) -> None:
        """Makes the folder. Raises OSError."""
        if not (self.folder / "owner").is_file():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._put("owner", self._owner)

    def take(self, commit: str, remote: Remote) -> None:
        """Fetches `commit` unless it is here. Raises GitError, and then keeps nothing of it."""
        if self.has(commit):
            return
        unfinished = self.folder / f".{commit}.{secrets.token_hex(4)}"
        try:
            unfinished.mkdir(mode=0o700)
            git.run_git(self.folder, "init", "--quiet", "--template=", "--", str(unfinished))
            remote.fetch(commit, unfinished)
            self._prune()
            with suppress(OSError):  # someone else was faster
                unfinished.rename(self.path(commit))
        finally:
            rmtree(unfinished, ignore_errors=True)

    def last(self, ref: str) -> str | None:
        """The commit that `ref` was when it was last looked at, if it is here."""
        commit = self._refs().get(ref)
        return commit if commit and self.has(commit) else None

    def remember(self, ref: str, commit: str) -> None:
        """Notes that `ref` is `commit` now."""
        known = self._refs()
        if known.get(ref) != commit:
            self._put("refs", orjson.dumps({**known, ref: commit}))

    def _refs(self) -> dict[str, str]:
        try:
            known = orjson.loads((self.folder / "refs").read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _put(self, name: str, data: bytes) -> None:
        unfinished = self.folder / f".{name}.{secrets.token_hex(4)}"
        unfinished.write_bytes(data)
        unfinished.replace(self.folder / name)

    def _prune(self) -> None:
        """Drops the oldest commits, and what a fetch that was killed left long ago."""
        kept = sorted(self.folder.glob("[0-9a-f]*/.git"), key=os.path.getmtime)
        in_use = set(self._refs().values())
        for old in kept[: 1 - _MOST_COMMITS]:
            if old.parent.name not in in_use:
                rmtree(old.parent, ignore_errors=True)
