"""`ureg registry`: looks at sub-registries and moves their pins."""

from __future__ import annotations

from collections.abc import Mapping

import click

from reconciler.bootstrap import Registry, commit_edit
from reconciler.commands import options
from reconciler.commands.presence import missing_manifests
from reconciler.commands.view import View, columns, on_registry
from reconciler.compiler.kinds import bringing
from reconciler.engine.desired import compile_desired, compile_source, patterns
from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Diagnostic, Invalid, Location
from reconciler.model.resource import Resource
from reconciler.render.escape import escape

_SHORT = 12


@click.group("registry", cls=options.Group)
def command() -> None:
    """Look at sub-registries and move their pins."""


@command.command("list", cls=options.Command)
@options.output
@options.settings
@on_registry
def list_(view: View, registry: Registry) -> None:
    """List the sub-registries, as they were last seen.

    Shows where each is, what it follows, its commit and how many components it brings.
    """
    from reconciler.render.table import render_table

    missing_manifests(registry)
    settings = registry.settings
    compiled = compile_desired(registry.source, registry.cache, registry.catalogue, settings.registry, look=False)
    if compiled.desired is None:
        raise Invalid(*compiled.diagnostics)
    view.report(compiled.diagnostics)
    resources = compiled.desired.resources
    states = bringing(registry.catalogue)
    rows = [_row(r, resources) for r in resources.values() if r.kind in states]
    if not rows:
        view.write("There are no sub-registries.")
        return
    view.write(render_table(("NAME", "STATE", "REF", "COMMIT", "COMPONENTS", "SOURCE"), rows, view.style, columns()))


@command.command("update", cls=options.Command)
@click.argument("name")
@options.output
@options.settings
@on_registry
def update(view: View, registry: Registry, name: str) -> None:
    """Pin the sub-registry NAME to its newest commit.

    That is the one that its branch or tag is at now. Writes `spec.commit` into its manifest and commits that file, so
    that the next apply, here or elsewhere, takes it.
    """
    missing_manifests(registry)
    resource = _named(registry, name)
    spec = resource.body()["spec"]
    commit = registry.source.children.newest(resource.address, spec)
    if spec.get("commit") == commit:
        view.write(f"{escape(name)} is pinned to {commit[:_SHORT]} already.")
        return
    from reconciler.compiler.edit import set_text

    data = registry.source.read([resource.path])[resource.path]
    place = Location(resource.path, ("spec", "commit"), resource.document)
    edited = set_text(place, data, commit, before="ref" if "ref" in spec else "source")
    made = commit_edit(registry, resource.path, edited, f"Update {name} to {commit[:_SHORT]}\n")
    view.write(
        f"{escape(name)} is pinned to {commit[:_SHORT]}, by the new commit {made[:_SHORT]}. Nothing is applied yet."
    )


def _row(resource: Resource, resources: Mapping[Address, Resource]) -> tuple[str, ...]:
    registry, _, name = parse_address(resource.address)
    prefix = f"{registry}:{name}" if registry else name
    spec = resource.body()["spec"]
    source, commit = spec["source"], spec.get("commit", "")
    count = sum(address.startswith(f"{prefix}:") for address in resources)
    ref = spec.get("ref", "")
    return (prefix, resource.state, ref, commit[:_SHORT], str(count), source.get("url") or source.get("path", ""))


def _named(registry: Registry, name: str) -> Resource:
    """The component that brings the sub-registry `name`, by its own manifest alone: others may be broken. Raises
    Invalid."""
    states = bringing(registry.catalogue)
    globs = patterns(registry.settings.registry, registry.catalogue)
    own = compile_source(registry.source, registry.cache, registry.catalogue, globs)
    known = {resource.name: resource for resource in own.resources if resource.kind in states}
    if name not in known:
        there = f"There are {', '.join(sorted(known))}." if known else "There are none."
        raise Invalid(*own.findings, Diagnostic("registry-unknown", f"There is no sub-registry {name!r}", there))
    return known[name]
