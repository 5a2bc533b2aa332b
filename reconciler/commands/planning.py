"""Making, showing and saving a plan: what plan, apply, destroy and watch share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from reconciler.bootstrap import Registry, driver_versions, plan_key, version
from reconciler.commands.presence import missing_manifests
from reconciler.commands.view import View
from reconciler.compiler.kinds import bringing
from reconciler.engine.operations import Planned, Request, plan
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.plan import Mode, Options, Plan
from reconciler.planner.pins import pins

MOST_BYTES = 1 << 30
"""The size from which on a file is not taken for a plan."""


class Asked(NamedTuple):
    """The planning flags of a command line."""

    target: tuple[str, ...]
    exclude: tuple[str, ...]
    replace: tuple[str, ...]
    destroy: bool
    refresh_only: bool
    refresh: bool


def request(asked: Asked, whole: bool = False) -> Request:
    """What `asked` means; a `whole` plan names what stays as it is, too. Raises Invalid where flags exclude each
    other."""
    if asked.destroy and asked.refresh_only:
        raise Invalid(_conflict("-destroy and -refresh-only exclude each other"))
    if asked.refresh_only and not asked.refresh:
        raise Invalid(_conflict("-refresh-only and -refresh=false exclude each other"))
    if asked.target and asked.exclude:
        raise Invalid(_conflict("-target and -exclude exclude each other"))
    mode = Mode.DESTROY if asked.destroy else Mode.REFRESH_ONLY if asked.refresh_only else Mode.NORMAL
    return Request(Options(mode, asked.target, asked.exclude, asked.replace), asked.refresh, whole)


def make(registry: Registry, wanted: Request) -> Planned:
    return plan(
        wanted,
        registry.settings,
        registry.catalogue,
        registry.source,
        registry.cache,
        registry.store,
        registry.driver_for,
        registry.clock,
    )


def make_and_show(registry: Registry, view: View, wanted: Request) -> Plan | None:
    """The plan, after showing it together with everything that was found; None where there is an error."""
    odd = missing_manifests(registry)
    planned = make(registry, wanted)
    if planned.plan is not None:
        show(registry, view, planned.plan)
    view.report((*odd, *planned.diagnostics))
    return planned.plan


def show(registry: Registry, view: View, made: Plan) -> None:
    if view.stream is not None:
        view.stream.plan(made)
        return
    from reconciler.render.plan_text import render_plan

    kinds = registry.catalogue.kinds if made.changes else {}
    fields = {slug: kind.manifest_fields for slug, kind in kinds.items()}
    view.write(render_plan(made, view.style, fields, pins(made, bringing(registry.catalogue))))


def write_json(registry: Registry, made: Plan) -> None:
    """Writes the plan to standard output in Terraform's representation."""
    from reconciler.render.plan_json import render_plan_json

    fields = {slug: kind.manifest_fields for slug, kind in registry.catalogue.kinds.items()}
    sys.stdout.flush()
    sys.stdout.buffer.write(render_plan_json(made, fields, version(), pins(made, bringing(registry.catalogue))))


def save(made: Plan, path: str) -> None:
    """Writes the plan, signed, to a file of its own, readable by its owner only."""
    from reconciler.planner.codec import SavedPlan, encode

    drivers = driver_versions(change.driver for change in made.changes)
    data = encode(SavedPlan(made, drivers), plan_key(os.environ, make=True) or b"")
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise Invalid(Diagnostic("plan-file", f"The plan cannot be written to {path}", f"{error.strerror}.")) from error


def read(path: str) -> bytes:
    """What is in the file `path`. Raises Invalid where that cannot be a plan."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
                raise Invalid(_unreadable(path, f"It is no file, or has more than {MOST_BYTES:,} bytes."))
            return file.read()
    except OSError as error:
        raise Invalid(_unreadable(path, f"{error.strerror}.")) from error


def _unreadable(path: str, why: str) -> Diagnostic:
    hint = "Name a file that `ureg plan -out=FILE` wrote."
    return Diagnostic("plan-file", f"{path} cannot be read", why, hint)


def _conflict(summary: str) -> Diagnostic:
    return Diagnostic("flags", summary)
