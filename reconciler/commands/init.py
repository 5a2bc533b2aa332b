"""`ureg init`: makes a folder a registry that plans at once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import click
import orjson

from reconciler.bootstrap import built_in_schemas
from reconciler.commands import options
from reconciler.commands.view import View, make_view
from reconciler.compiler.kinds import load_catalogue
from reconciler.model.kind import Catalogue
from reconciler.render.escape import escape


@click.command("init", cls=options.Command)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@options.flag("no-color", "Write no colours.")
def command(folder: Path, no_color: bool) -> int:
    """Make DIR (by default the current folder) a registry.

    Writes the settings, the schemas of the built-in kinds, editor settings so that manifests are checked while they are
    typed, a CI workflow and a .gitignore, and makes it a git repository. A file that exists stays as it is.
    """
    view = make_view(json=False, color=not no_color)
    return view.guard(lambda: _make(view, folder))


def _make(view: View, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in sorted(_contents().items()):
        target = folder / path
        if _create(target, data):
            view.write(f"{view.style.green('+')} {escape(str(target))}")
        else:
            view.write(f"{view.style.dim('=')} {escape(str(target))} {view.style.dim('(kept)')}")
    if not any((parent / ".git").exists() for parent in (folder.resolve(), *folder.resolve().parents)):
        from reconciler.sources.git import init_repository

        init_repository(folder)
        view.write(f"{view.style.green('+')} {escape(str(folder / '.git'))}")
    view.write(f"\n{view.style.bold('The registry is ready.')} registry.d/README.md shows a first manifest;")
    view.write("`ureg plan` shows what would change, `ureg apply` changes it.")


def _contents() -> Mapping[str, bytes]:
    """Every file of a new registry, by its path."""
    templates = files("reconciler.commands") / "templates"
    schemas = built_in_schemas()
    catalogue, _ = load_catalogue(schemas)
    return {
        "ureg.yaml": (templates / "ureg.yaml").read_bytes(),
        ".gitignore": (templates / "gitignore").read_bytes(),
        ".github/workflows/ureg.yml": (templates / "workflow.yml").read_bytes(),
        "registry.d/README.md": (templates / "README.md").read_bytes(),
        ".vscode/settings.json": _editor_settings(catalogue),
        **{f"schemas/{name}": data for name, data in schemas.items()},
    }


def _editor_settings(catalogue: Catalogue) -> bytes:
    """Tells yaml-language-server which schema judges which folder."""
    manifests = {f"./{_schema(kind.slug)}": f"registry.d/{kind.plural}/**/*.yaml" for kind in catalogue.kinds.values()}
    settings = {
        "yaml.schemas": {**manifests, f"./{_schema('settings')}": "ureg.yaml"},
        "yaml.schemaStore.enable": False,
    }
    return orjson.dumps(settings, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _schema(slug: str) -> str:
    return f"schemas/{slug}.schema.json"


def _create(target: Path, data: bytes) -> bool:
    """Writes a new file; False where there is one already."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True
