"""The desired side of the daemon: what its source asks for, and the last of it without errors, which is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reconciler.bootstrap import Registry
from reconciler.daemon.policy import Policy, read_policy
from reconciler.engine.desired import Reads, compile_desired, patterns
from reconciler.engine.planning import explain
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid
from reconciler.model.resource import DesiredState, Revision

_GIT = "git-failed"
"""The code of what git could not do: this time, mostly."""

Open = Callable[[str], Registry]
"""Opens the registry as it is in a commit (a full id), or as its files are now for "". Raises Invalid."""


class InForce(NamedTuple):
    """A desired state without errors, whose files `texts` reads. `digest` names all that it was made from."""

    registry: Registry
    policy: Policy
    desired: DesiredState
    texts: Reads
    generation: str
    digest: str


class Look(NamedTuple):
    """What a look at the source gave. `generation` is what it asks for now, and `digest` names all that it was made
    from; `force` is what is in force, None where nothing sound was ever seen. `refused` says that `diagnostics` hold
    errors of what is asked for now. `volatile` says that it may change while the source does not: sub-registries had a
    part in it, or git could not read it."""

    generation: str
    force: InForce | None
    refused: bool
    diagnostics: Diagnostics
    digest: str = ""
    volatile: bool = False


class DesiredSide:
    """Remembers the last look, so that what did not change is not compiled again. `good` is the generation that was in
    force when the program ran last."""

    def __init__(self, open_at: Open, good: str) -> None:
        self._open_at = open_at
        self._good = good
        self._last = Look("", None, refused=False, diagnostics=())

    def look(self, commit: str, anew: bool) -> Look:
        """What the source asks for: `commit`, or the files as they are for "". Without `anew` nothing has changed since
        the last look. Raises Invalid where an earlier state has to be found again and cannot be."""
        known = self._last.force or self._last.refused
        if not known or anew or self._last.volatile:
            self._last = self._look(commit)
        return self._last

    def recall(self) -> Look:
        """The last good state alone, while the source says nothing."""
        if self._last.force is None:
            self._last = self._last._replace(force=self._restored())
        return self._last

    def _look(self, commit: str) -> Look:
        try:
            return self._compare(self._open_at(commit))
        except Invalid as error:
            told = error.diagnostics
            refused = self._refused(commit or self._last.generation, told, f"{commit} {told}")
            return refused._replace(volatile=any(diagnostic.code == _GIT for diagnostic in told))

    def _compare(self, registry: Registry) -> Look:
        policy = read_policy(registry.settings.watch)
        snapshot, source = registry.source.taken(patterns(registry.settings.registry, registry.catalogue))
        registry, revision = registry._replace(source=source), snapshot.revision
        digest, force = _digest(registry, revision), self._last.force
        if self._last.refused and digest == self._last.digest:
            return self._last._replace(generation=_generation(revision))
        if force and force.digest == digest:
            desired = force.desired._replace(revision=revision)
            same = InForce(registry, policy, desired, registry.source, _generation(revision), digest)
            return Look(same.generation, same, refused=False, diagnostics=(), digest=digest)
        compiled = _compile(registry, policy)
        if compiled.force is None:
            told = explain(compiled.diagnostics, registry.store)
            return self._refused(compiled.generation, told, compiled.digest)._replace(volatile=compiled.volatile)
        return compiled

    def _refused(self, generation: str, diagnostics: Diagnostics, digest: str) -> Look:
        return Look(generation, self._last.force or self._restored(), True, diagnostics, digest)

    def _restored(self) -> InForce | None:
        """What was in force when the program ran last, where that was a commit."""
        good, self._good = self._good, ""
        if not good or "+" in good:
            return None
        try:
            registry = self._open_at(good)
            return _compile(registry, read_policy(registry.settings.watch)).force
        except Invalid:
            return None


def _compile(registry: Registry, policy: Policy) -> Look:
    compiled = compile_desired(registry.source, registry.cache, registry.catalogue, registry.settings.registry)
    revision = compiled.snapshot.revision
    generation, digest, nested = _generation(revision), _digest(registry, revision), compiled.pins is not None
    if nested:
        digest = f"{digest} with{compiled.pins}"
    if compiled.desired is None:
        return Look(generation, None, True, compiled.diagnostics, digest, nested)
    force = InForce(registry, policy, compiled.desired, compiled.texts, generation, digest)
    return Look(generation, force, False, compiled.diagnostics, digest, nested)


def _digest(registry: Registry, revision: Revision) -> str:
    """Of all but what sub-registries have a part in: what these are at has to be asked anew each time."""
    return f"{revision.tree} {registry.catalogue.digest} {registry.settings}"


def _generation(revision: Revision) -> str:
    return f"{revision.commit}+{revision.tree}" if revision.dirty else revision.commit


def sentence(diagnostic: Diagnostic) -> str:
    """A finding in one line, with its place."""
    place = f"{diagnostic.location}: " if diagnostic.location else ""
    if not diagnostic.detail:
        return f"{place}{diagnostic.summary}"
    return f"{place}{diagnostic.summary.removesuffix('.')}: {diagnostic.detail}"
