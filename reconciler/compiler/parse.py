"""YAML files to documents of plain JSON values: the fast reader where it is sure, the reference reader elsewhere."""

from __future__ import annotations

from reconciler.compiler import accelerator
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.resource import Document


def parse(path: str, data: bytes) -> tuple[tuple[Document, ...], Diagnostics]:
    """The sound documents of a YAML file, and everything that is wrong with the others, each at its place.

    Values are JSON's types only. Never raises for what a file holds. A file without content gives neither documents
    nor findings.
    """
    if document := accelerator.read(path, data):
        return (document,), ()
    from reconciler.compiler import reader

    return reader.read(path, data)
