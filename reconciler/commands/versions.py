"""The registry as it is in a commit: what diff and rollback look at."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.bootstrap import Registry, at_commit
from reconciler.engine.desired import compile_desired
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.resource import DesiredState


class Version(NamedTuple):
    registry: Registry
    desired: DesiredState


def open_version(registry: Registry, commit: str, word: str) -> Version:
    """`registry` at `commit` (a full id, "" for the work tree), which the user calls `word`. Raises Invalid with all
    that is wrong there, and says where that is."""
    try:
        return _compiled(at_commit(registry, commit) if commit else registry)
    except Invalid as error:
        hint = "What is named above stands in that version, not in the work tree." if commit else ""
        wrong = Diagnostic("version-invalid", f"The registry is not valid at {word}", hint=hint)
        raise Invalid(*error.diagnostics, wrong) from None


def _compiled(there: Registry) -> Version:
    compiled = compile_desired(there.source, there.cache, there.catalogue, there.settings.registry)
    if compiled.desired is None:
        raise Invalid(*compiled.diagnostics)
    return Version(there, compiled.desired)
