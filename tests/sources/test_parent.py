"""A parent's snapshot that is at hand."""

from __future__ import annotations

from repository import Repository

from reconciler.sources.parent import ParentSource
from reconciler.sources.subregistry import SubRegistries
from reconciler.sources.worktree import WorkTree


def no_children() -> SubRegistries:
    raise AssertionError("nobody asked for sub-registries")


def test_what_was_taken_is_not_looked_at_again(repository: Repository) -> None:
    repository.write("registry.d/a.yaml", "a: 1\n")
    parent = ParentSource(WorkTree(repository.root), no_children)
    snapshot, taken = parent.taken(["registry.d/**/*.yaml"])
    repository.write("registry.d/b.yaml", "b: 1\n")
    assert taken.snapshot(["registry.d/**/*.yaml"]) is snapshot
    assert [file.path for file in snapshot.files] == ["registry.d/a.yaml"]
    assert [file.path for file in taken.snapshot(["**/b.yaml"]).files] == ["registry.d/b.yaml"]
    assert taken.read(["registry.d/a.yaml"]) == {"registry.d/a.yaml": b"a: 1\n"}
