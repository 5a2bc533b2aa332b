"""Whether there is a registry in the folder at all: a wrong folder must not pass for a registry without components, nor
a file that cannot be read for one that is not there."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.bootstrap import SETTINGS_FILE, Registry
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid, Severity


def refuse_nowhere(registry: Registry) -> None:
    """Raises Invalid where there is no registry, or one of its parts is not what it should be."""
    root, settings = registry.root, registry.settings
    why = registry.source.refusal(SETTINGS_FILE)
    if why and os.path.lexists(root / SETTINGS_FILE):
        hint = "The settings hold for everything, so nothing goes on without them."
        raise Invalid(Diagnostic("settings-unreadable", f"{SETTINGS_FILE} {why}", hint=hint))
    for folder in (settings.registry, settings.schemas):
        if (root / folder).exists() and not (root / folder).is_dir():
            raise Invalid(Diagnostic("folder-expected", f"{folder} is not a folder", hint="Move what stands there."))
    if not _has_traces(registry):
        raise Invalid(_nothing(root))


def missing_manifests(registry: Registry) -> Diagnostics:
    """A warning where the folder of the manifests does not exist."""
    folder = registry.settings.registry
    if (registry.root / folder).is_dir() or any(kind.files for kind in registry.catalogue.kinds.values()):
        return ()
    summary = f"The folder of the manifests, {folder}, does not exist"
    hint = "Nothing is asked for. Check the setting `registry` if that is not meant."
    return (Diagnostic("registry-missing", summary, hint=hint, severity=Severity.WARNING),)


def _has_traces(registry: Registry) -> bool:
    settings = registry.settings
    names = (settings.registry, SETTINGS_FILE, settings.schemas, settings.state)
    return (
        any((registry.root / name).exists() for name in names)
        or "://" in settings.state
        or any(kind.files for kind in registry.catalogue.kinds.values())
    )


def _nothing(root: Path) -> Diagnostic:
    above = next((parent for parent in root.parents if (parent / SETTINGS_FILE).is_file()), None)
    hint = f"One is above: `ureg -chdir={os.path.relpath(above, root)} ...` works there." if above else ""
    return Diagnostic(
        "registry-missing",
        "There is no registry in this folder",
        detail=f"{root} holds no {SETTINGS_FILE} and no folder of manifests.",
        hint=hint or "`ureg init` makes it one; `ureg -chdir=DIR ...` works in another folder.",
    )
