"""`ureg get`: the components that are recorded, and how they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.schema import find_kind
from reconciler.commands.view import View, columns, on_registry
from reconciler.model.address import make_address, parse_address
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.record import Record
from reconciler.render.state_json import render_records_json, render_records_yaml
from reconciler.render.state_text import render_records


@click.command("get", cls=options.Command)
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("-o", "form", type=click.Choice(["table", "json", "yaml"]), default="table",
              help="How to write it.")  # fmt: skip
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, kind: str | None, name: str | None, form: str) -> None:
    """List the components that are recorded: all, those of KIND, or the one called NAME.

    KIND may be a name, a plural or an alias; `kind/name` names one component as well.
    """
    records = _chosen(registry, kind, name)
    if form == "table":
        view.write(render_records(records, view.style, columns()))
        return
    render = render_records_json if form == "json" else render_records_yaml
    sys.stdout.write(render(records, single=name is not None or "/" in (kind or "")))


def _chosen(registry: Registry, kind: str | None, name: str | None) -> Sequence[Record]:
    records = registry.store.load().records
    if kind is None:
        return sorted(records.values())
    if name is None and "/" in kind:
        address = kind
    else:
        slug = find_kind(registry.catalogue, kind).slug
        if name is None:
            return [record for address, record in sorted(records.items()) if parse_address(address).kind == slug]
        address = make_address(slug, name)
    if address not in records:
        raise Invalid(Diagnostic("address-unknown", f"{address} is not recorded", hint="`ureg get` lists what is."))
    return [records[address]]
