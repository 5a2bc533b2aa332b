"""`ureg schema`: the kinds of a registry, or the JSON Schema of one."""

from __future__ import annotations

import click
import orjson

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, columns, in_any_folder
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.kind import Catalogue, Kind


@click.command("schema", cls=options.Command)
@click.argument("kind", required=False)
@options.output
@options.settings
@in_any_folder
def command(view: View, registry: Registry, kind: str | None) -> None:
    """List the kinds of this registry, or print the JSON Schema of KIND (a name, plural or alias)."""
    if kind is None:
        from reconciler.render.table import render_table

        rows = [_row(known) for known in registry.catalogue.kinds.values()]
        view.write(render_table(("KIND", "PLURAL", "DRIVER", "STATES", "SCHEMA"), rows, view.style, columns()))
        return
    view.write(orjson.dumps(find_kind(registry.catalogue, kind).schema, option=orjson.OPT_INDENT_2).decode())


def find_kind(catalogue: Catalogue, word: str) -> Kind:
    """The kind that `word` means. Raises Invalid, with the nearest name, where there is none."""
    kind = catalogue.find(word)
    if kind is None:
        from difflib import get_close_matches

        names = [name for known in catalogue.kinds.values() for name in (known.slug, known.plural, *known.aliases)]
        near = get_close_matches(word.lower(), names, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`ureg schema` lists the kinds."
        raise Invalid(Diagnostic("kind-unknown", f"There is no kind {word!r}", hint=hint))
    return kind


def _row(kind: Kind) -> tuple[str, ...]:
    return (kind.name, kind.plural, kind.driver, ", ".join(kind.lifecycle.states), kind.schema_path)
