"""What no program of this kind can go below: the interpreter's start, the command line library, git, the disk."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measure import Task

READ_ALL = """
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            file.read()
"""


def tasks(root: Path) -> tuple[Task, ...]:
    """The floors of the registry at `root`."""
    python = [sys.executable, "-c"]
    return (
        Task("python starts", [*python, "pass"], root),
        Task("python imports click", [*python, "import click"], root),
        Task("git status", ["git", "status", "--porcelain"], root),
        Task("git ls-files", ["git", "ls-files", "--stage"], root),
        Task("python reads every file", [*python, READ_ALL, "registry.d"], root),
    )
