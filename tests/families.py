"""Registries that name others: real repositories in a temporary folder, and manifests that bring one into another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from repository import Repository


def made(folder: Path, name: str, files: Mapping[str, str]) -> Repository:
    """The repository `name` in `folder`, with `files` in its one commit."""
    root = folder / name
    root.mkdir()
    repository = Repository(root, folder / "cache")
    repository.git("init", "-q", "-b", "main")
    for path, text in files.items():
        repository.write(path, text)
    repository.commit()
    return repository


def registry(name: str, source: Path | str, exports: Iterable[str] = (), state: str = "enabled", more: str = "") -> str:
    """A manifest that brings the repository `source`, a folder or a url, under the prefix `name`."""
    kind = "url" if isinstance(source, str) else "path"
    lines = ["apiVersion: ureg/v1", "kind: Registry", f"metadata: {{name: {name}}}", f"state: {state}", "spec:"]
    lines += [f'  source: {{{kind}: "{source}"}}', "  # Follows", "  ref: main  # the newest.", *more.splitlines()]
    lines += [f"  exports: [{', '.join(exports)}]"] if exports else []
    return "\n".join([*lines, ""])


def settings(folder: Path, more: str = "") -> str:
    """Settings that allow repositories below `folder`."""
    return f"drivers:\n  git:\n    folders: [{folder}]\n{more}"
