"""`ureg fmt`: gives manifests the one format."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, on_registry
from reconciler.compiler.format import format_yaml
from reconciler.compiler.veil import secret_lines, sensitive_names, veil
from reconciler.engine.desired import patterns
from reconciler.model.diagnostics import Diagnostic, Diagnostics, errors
from reconciler.render.escape import escape


@click.command("fmt", cls=options.Command)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@options.flag("check", "Change nothing; exit with 1 where a file is not formatted.")
@options.flag("diff", "Show what changes.")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, paths: tuple[str, ...], check: bool, diff: bool) -> int:
    """Give manifests the one format, and name those that changed.

    Indentation and spacing become uniform. Comments, quotes, the order of keys and every value stay as they are.
    PATH is a file or a folder; without one all manifests are formatted.
    """
    contents = registry.source.read(_wanted(registry, paths))
    names = sensitive_names(registry.catalogue)
    findings: Diagnostics = ()
    changed = 0
    for path, data in contents.items():
        formatted, found = format_yaml(path, data)
        findings += veil(found, data, names)
        if formatted != data:
            changed += 1
            view.write(escape(path))
            if diff:
                view.write(_difference(path, data, formatted, names))
            findings += () if check else _rewrite(registry.root, path, formatted)
    view.report(findings)
    return int(bool(errors(findings)) or (check and changed > 0))


def _wanted(registry: Registry, paths: tuple[str, ...]) -> list[str]:
    """The manifests at or below `paths`."""
    snapshot = registry.source.snapshot(patterns(registry.settings.registry, registry.catalogue))
    known = [file.path for file in snapshot.files if file.content_id]
    if not paths:
        return known
    roots = [Path(os.path.relpath(path, registry.root)).as_posix() for path in paths]
    chosen = [path for path in known if any(root in {path, "."} or path.startswith(f"{root}/") for root in roots)]
    if not chosen:
        raise click.UsageError("There is no manifest at or below the paths given.")
    return chosen


def _difference(path: str, before: bytes, after: bytes, names: frozenset[str]) -> str:
    """What changes, without the lines that may hold a secret below one of the keys `names`."""
    from difflib import unified_diff

    old, new = (data.decode("utf-8", "replace").splitlines() for data in (before, after))
    secret = {side[number] for side in (old, new) for number in secret_lines(side, names)}
    lines = unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(f"{line[0]} (sensitive)" if line[1:] in secret else escape(line) for line in lines)


def _rewrite(root: Path, path: str, data: bytes) -> Diagnostics:
    """Replaces the file as a whole, so that nobody ever reads half of it. What is wrong where that fails."""
    target = root / path
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        unfinished.chmod(target.stat().st_mode)
        unfinished.replace(target)
    except OSError as error:
        return (Diagnostic("format-unwritable", f"{path} cannot be written", f"{error.strerror}."),)
    return ()
