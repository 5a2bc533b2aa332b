"""`ureg validate`: checks every manifest and schema, and touches nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from reconciler.bootstrap import Registry, open_registry
from reconciler.commands import options
from reconciler.commands.presence import missing_manifests, refuse_nowhere
from reconciler.commands.view import View, given_settings, make_view
from reconciler.daemon.policy import unsound_policy
from reconciler.engine.desired import compile_desired, locate_in
from reconciler.model.diagnostics import Diagnostics, errors
from reconciler.render.style import PLAIN


class _JsonView(View):
    """Writes one document, whatever comes of it: the registry that cannot even be opened is invalid, too."""

    def report(self, diagnostics: Diagnostics) -> None:
        from reconciler.render.diagnostics_json import render_validation

        self.write(render_validation(diagnostics))


@click.command("validate", cls=options.Command)
@options.flag("json", "Write Terraform's validate document.", "as_json")
@options.output
@options.settings
def command(as_json: bool, no_color: bool, compact_warnings: bool, **flags: Any) -> int:
    """Check every manifest and schema: syntax, fields, references and cycles. Reads no state."""
    view = _JsonView(PLAIN) if as_json else make_view(False, not no_color, compact_warnings)
    given = given_settings(flags)
    return view.guard(lambda: _validate(view, open_registry(Path.cwd(), given, os.environ), as_json))


def _validate(view: View, registry: Registry, as_json: bool) -> int:
    refuse_nowhere(registry)
    unsound = locate_in(unsound_policy(registry.settings.watch), registry.source)
    odd = (*missing_manifests(registry), *unsound)
    compiled = compile_desired(registry.source, registry.cache, registry.catalogue, registry.settings.registry)
    view.report((*odd, *compiled.diagnostics))
    if compiled.desired is not None and not errors(odd) and not as_json:
        count = len(compiled.desired.resources)
        components = f"{count} component{'' if count == 1 else 's'}"
        view.write(f"{view.style.green(view.style.bold('Success!'))} The registry is valid: {components}.")
    return int(bool(errors((*odd, *compiled.diagnostics))))
