"""`ureg validate`: checks every manifest and schema, and touches nothing else."""

from __future__ import annotations

import click

from reconciler.bootstrap import Registry
from reconciler.commands import options
from reconciler.commands.view import View, on_registry
from reconciler.engine.desired import compile_desired
from reconciler.model.diagnostics import errors


@click.command("validate")
@options.flag("json", "Write Terraform's validate document.", "as_json")
@options.output
@options.settings
@on_registry
def command(view: View, registry: Registry, as_json: bool) -> int:
    """Check every manifest and schema: syntax, fields, references and cycles. Reads no state."""
    compiled = compile_desired(registry.source, registry.cache, registry.catalogue, registry.settings.registry)
    failed = bool(errors(compiled.diagnostics))
    if as_json:
        from reconciler.render.diagnostics_json import render_validation

        view.write(render_validation(compiled.diagnostics))
        return int(failed)
    view.report(compiled.diagnostics)
    if compiled.desired is not None:
        count = len(compiled.desired.resources)
        components = f"{count} component{'' if count == 1 else 's'}"
        view.write(f"{view.style.green(view.style.bold('Success!'))} The registry is valid: {components}.")
    return int(failed)
