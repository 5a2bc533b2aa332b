"""Sites for drivers under test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.drivers.secrets import Secrets
from reconciler.drivers.site import Site


def site_of(output: Path, environment: Mapping[str, str] | None = None, **options: Any) -> Site:
    """A site whose rendered files go to `output`, in the registry that is its folder, and the driver's `options`."""
    root = output.parent
    return Site(root, output, root / "run", Secrets(root, environment or {}), options)
