"""A git repository that holds an estate as a registry, and what is measured of `ureg` in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.components import Component, schemas
from benchmarks.measure import Task

COMMIT = b"""commit refs/heads/main
committer benchmark <benchmark@example.org> 0 +0000
data 6
estate
"""


class Registry:
    """A freshly cloned registry: everything committed, packed and checked out, nothing applied, nothing cached."""

    def __init__(self, root: Path, components: Iterable[Component], ureg: Path) -> None:
        self.root = root
        self._ureg = ureg
        self._cache = root.with_name(f"{root.name}.cache")
        self._edits = 0
        root.mkdir(parents=True)
        self._git("init", "-q", "-b", "main")
        self._last = self._commit(components)
        self._git("reset", "-q", "--hard")
        # Files as young as the index are hashed by every git command until one of them writes the index again.
        self._git("update-index", "-q", "--refresh")

    def tasks(self) -> Iterator[Task]:
        """What is measured, in an order in which each finds what it needs."""
        yield self.task("validate", "validate", before=self.forget)
        yield self.task("plan", "plan", "-detailed-exitcode", before=self.forget, expect=2)
        yield self.task("apply of all", "apply", "-auto-approve", before=self.forget)
        yield self.task("no-op plan", "plan", "-detailed-exitcode")
        yield self.task("plan, 1 changed", "plan", "-detailed-exitcode", before=self._edit, expect=2)
        yield self.task("apply, 1 changed", "apply", "-auto-approve", before=self._edit)

    def task(self, name: str, *arguments: str, **more: Any) -> Task:
        """`ureg` with `arguments`, run here; `more` are fields of a Task."""
        return Task(name, [str(self._ureg), *arguments], self.root, self.environment, **more)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"XDG_CACHE_HOME": str(self._cache)}

    def forget(self) -> None:
        """Removes the state and everything that was compiled."""
        for folder in (self._cache, self.root / ".ureg"):
            shutil.rmtree(folder, ignore_errors=True)

    def _edit(self) -> None:
        self._edits += 1
        edited = self._last.edited(self._edits)
        (self.root / edited.path).write_text(edited.yaml(), encoding="utf-8")

    def _commit(self, components: Iterable[Component]) -> Component:
        """Commits the schemas and one file a component, and returns the last component."""
        with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=self.root, stdin=subprocess.PIPE) as importer:
            assert importer.stdin is not None
            importer.stdin.write(COMMIT)
            for name, data in schemas():
                importer.stdin.write(_file(f"schemas/{name}", data))
            for component in components:
                importer.stdin.write(_file(component.path, component.yaml().encode()))
        if importer.returncode:
            raise subprocess.CalledProcessError(importer.returncode, "git fast-import")
        return component

    def _git(self, *arguments: str) -> None:
        command: Sequence[str] = ["git", *arguments]
        subprocess.run(command, cwd=self.root, check=True)


def _file(path: str, data: bytes) -> bytes:
    """A file of a commit, as `git fast-import` reads it."""
    return b"M 644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)
