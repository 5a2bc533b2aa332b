"""A bare repository that is pushed to by real git, and the work tree of whoever pushes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 10.0
"""How long anything is waited for."""


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Estate:
    """A bare repository, and a clone in which somebody works."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "estate.git"
        self.work = folder / "work"
        self.run("git", "init", "-q", "--bare", "-b", "main", str(self.bare), cwd=folder)
        self.run("git", "-C", str(self.bare), "config", "receive.denyDeleteCurrent", "ignore", cwd=folder)
        self.run("git", "init", "-q", "-b", "main", str(self.work), cwd=folder)
        self.git("remote", "add", "origin", str(self.bare))
        (self.work / ".git/info/exclude").write_text(".ureg\n")

    def run(self, *command: str, cwd: Path | None = None, data: str | None = None) -> str:
        done = subprocess.run(
            command, cwd=cwd or self.work, input=data, check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout.strip()

    def git(self, *args: str, data: str | None = None) -> str:
        return self.run("git", "-c", "user.name=Test", "-c", "user.email=test@example.org", *args, data=data)

    def commit(self, text: str = "a: 1\n", *options: str) -> str:
        (self.work / "a.yaml").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change", *options)
        return self.git("rev-parse", "HEAD")

    def push(self, *options: str) -> None:
        self.git("push", "-q", *options, "origin", "HEAD:main")

    def pushed(self, text: str = "a: 1\n", *options: str) -> str:
        commit = self.commit(text)
        self.push(*options)
        return commit
