"""Making, showing and saving a plan: what plan, apply, destroy and watch share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from reconciler.bootstrap import Registry
from reconciler.commands.presence import missing_manifests
from reconciler.commands.view import View
from reconciler.engine.operations import Planned, Request, plan
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.plan import Mode, Options, Plan


class Asked(NamedTuple):
    """The planning flags of a command line."""

    target: tuple[str, ...]
    exclude: tuple[str, ...]
    replace: tuple[str, ...]
    destroy: bool
    refresh_only: bool
    refresh: bool


def request(asked: Asked) -> Request:
    """What `asked` means. Raises Invalid for flags that exclude each other."""
    if asked.destroy and asked.refresh_only:
        raise Invalid(_conflict("-destroy and -refresh-only exclude each other"))
    if asked.refresh_only and not asked.refresh:
        raise Invalid(_conflict("-refresh-only and -refresh=false exclude each other"))
    if asked.target and asked.exclude:
        raise Invalid(_conflict("-target and -exclude exclude each other"))
    mode = Mode.DESTROY if asked.destroy else Mode.REFRESH_ONLY if asked.refresh_only else Mode.NORMAL
    return Request(Options(mode, asked.target, asked.exclude, asked.replace), asked.refresh)


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

    fields = {slug: kind.manifest_fields for slug, kind in registry.catalogue.kinds.items()}
    view.write(render_plan(made, view.style, fields))


def save(made: Plan, path: str) -> None:
    """Writes the plan to a file of its own, readable by its owner only."""
    from reconciler.planner.codec import encode

    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(encode(made))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise Invalid(Diagnostic("plan-file", f"The plan cannot be written to {path}", str(error.strerror))) from error


def read(path: str) -> Plan:
    """The plan in the file `path`. Raises Invalid where it holds none."""
    from reconciler.planner.codec import decode

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        hint = "Name a file that `ureg plan -out=FILE` wrote."
        raise Invalid(Diagnostic("plan-file", f"{path} cannot be read", str(error.strerror), hint)) from error
    return decode(data)


def _conflict(summary: str) -> Diagnostic:
    return Diagnostic("flags", summary)
