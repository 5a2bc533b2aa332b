"""Opens sub-registries: finds out which commit each is at, gets it, and gives its files as a source.

Where a repository cannot be had, the last commit that was had of it still serves, with a warning: that somebody else's
server is down must not remove what runs here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid, Severity
from reconciler.ports import CompileCache, Source
from reconciler.sources.compile_cache import FileCompileCache
from reconciler.sources.git import GitError
from reconciler.sources.gittree import GitTree
from reconciler.sources.subregistry_mirror import Mirror
from reconciler.sources.subregistry_remote import Policy, ReadSecret, Remote, check_commit, open_remote, refused

_DEFAULT_REF = "main"
_KEPT = "Its components stay as they are, and nothing is planned until it can be had."
_HINT = "Mend what git says, pin another commit with spec.commit, or disable it to have its components removed."


class Opened(NamedTuple):
    """A sub-registry at `commit`. `identity` names the repository and the folder in it, whatever the commit; `notes`
    say what is odd about it."""

    source: Source
    cache: CompileCache
    commit: str
    identity: str
    notes: Diagnostics


class SubRegistries:
    """The sub-registries of the registry in the folder `root`, with mirrors below the folder `mirrors`, which lies
    outside of it. Safe to use from several threads."""

    def __init__(self, root: Path, mirrors: Path, policy: Policy, read_secret: ReadSecret) -> None:
        self._root = root
        self._mirrors = mirrors
        self._policy = policy
        self._read_secret = read_secret

    @property
    def max_depth(self) -> int:
        return self._policy.max_depth

    def identity(self, directory: str) -> str:
        """What `Opened.identity` is for the folder `directory` of the registry itself."""
        return _identity(os.path.realpath(self._root), directory)

    def open(self, address: str, spec: Mapping[str, Any], nested: bool, look: bool) -> Opened:
        """The sub-registry at `address`, which a manifest with `spec` describes: of a sub-registry, where `nested`.

        With `look` it is asked which commit its ref is at; without, that is asked only where it was never known. What
        is pinned to a commit that is here is not asked at all. Raises Invalid for what is refused or cannot be had.
        """
        remote, mirror = self._reach(address, spec, nested)
        commit, notes = _commit(spec, remote, mirror, look)
        where = urlsplit(remote.url).path if remote.url.startswith("file:") else remote.url
        identity = _identity(where, spec.get("directory", "registry.d"))
        source = GitTree(mirror.path(commit), commit)
        return Opened(source, FileCompileCache(mirror.folder / "compiled"), commit, identity, notes)

    def newest(self, address: str, spec: Mapping[str, Any]) -> str:
        """The commit that the ref of a sub-registry is at now, after making sure that it can be had. Raises Invalid."""
        remote, mirror = self._reach(address, spec, nested=False)
        with _told():
            return _look(_ref(spec), remote, mirror)

    def _reach(self, address: str, spec: Mapping[str, Any], nested: bool) -> tuple[Remote, Mirror]:
        remote = open_remote(spec, self._root, nested, self._policy, self._read_secret)
        mirror = Mirror(self._mirrors, address, spec["source"])
        try:
            mirror.open()
        except OSError as error:
            hint = "Set XDG_CACHE_HOME to a folder that can be written."
            raise refused("Sub-registries cannot be kept", f"{error.filename}: {error.strerror}.", hint) from None
        return remote, mirror


def _commit(spec: Mapping[str, Any], remote: Remote, mirror: Mirror, look: bool) -> tuple[str, Diagnostics]:
    if "commit" not in spec:
        return _follow(_ref(spec), remote, mirror, look)
    pinned = check_commit(spec["commit"])
    with _told():
        mirror.take(pinned, remote)
    return pinned, ()


def _follow(ref: str, remote: Remote, mirror: Mirror, look: bool) -> tuple[str, Diagnostics]:
    """The commit that `ref` is at, or else the last that it was seen at, with a warning."""
    last = mirror.last(ref)
    if last and not look:
        return last, ()
    try:
        with _told():
            return _look(ref, remote, mirror), ()
    except Invalid as error:
        if last is None:
            raise
        return last, tuple(_outdated(found, last) for found in error.diagnostics)


def _look(ref: str, remote: Remote, mirror: Mirror) -> str:
    commit = remote.resolve(ref, mirror.folder)
    mirror.take(commit, remote)
    mirror.remember(ref, commit)
    return commit


def _ref(spec: Mapping[str, Any]) -> str:
    ref: str = spec.get("ref", _DEFAULT_REF)
    return ref


def _identity(place: str, directory: str) -> str:
    """One name for a repository and a folder in it, however its address is written."""
    return f"{place.rstrip('/').removesuffix('/.git').removesuffix('.git')}#{directory}"


@contextmanager
def _told() -> Iterator[None]:
    """Says of what git could not do what it means for the plan, and what to do."""
    try:
        yield
    except GitError as error:
        found = error.diagnostics[0]
        told = found._replace(code="registry-unavailable", hint=f"{_KEPT} {found.hint or _HINT}")
        raise Invalid(told) from None


def _outdated(found: Diagnostic, commit: str) -> Diagnostic:
    hint = f"The plan goes on with the commit {commit[:12]}, where it was when it was last seen."
    return found._replace(code="registry-outdated", hint=hint, severity=Severity.WARNING)
