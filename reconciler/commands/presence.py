"""Whether there is a registry in the folder at all: a wrong folder must not pass for a registry without components."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.bootstrap import SETTINGS_FILE, Registry
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid, Severity


def missing_manifests(registry: Registry) -> Diagnostics:
    """A warning where the folder of the manifests does not exist. Raises Invalid where there is no registry."""
    settings = registry.settings
    if (registry.root / settings.registry).is_dir() or any(kind.files for kind in registry.catalogue.kinds.values()):
        return ()
    traces = (SETTINGS_FILE, settings.schemas, settings.state)
    if not any((registry.root / trace).exists() for trace in traces):
        raise Invalid(_nothing(registry.root))
    summary = f"The folder of the manifests, {settings.registry}, does not exist"
    hint = "Nothing is asked for. Check the setting `registry` if that is not meant."
    return (Diagnostic("registry-missing", summary, hint=hint, severity=Severity.WARNING),)


def _nothing(root: Path) -> Diagnostic:
    above = next((parent for parent in root.parents if (parent / SETTINGS_FILE).is_file()), None)
    hint = f"One is above: `ureg -chdir={os.path.relpath(above, root)} ...` works there." if above else ""
    return Diagnostic(
        "registry-missing",
        "There is no registry in this folder",
        detail=f"{root} holds no {SETTINGS_FILE} and no folder of manifests.",
        hint=hint or "`ureg init` makes it one; `ureg -chdir=DIR ...` works in another folder.",
    )
