"""A real repository in a temporary folder, and the real command line run on it in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Repository:
    """A git repository with a registry in it."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("UREG_", "GIT_"))},
            "XDG_CACHE_HOME": str(cache),
            "XDG_STATE_HOME": str(cache.with_name("state")),
            "NO_COLOR": "1",
        }

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def git(self, *args: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        done = subprocess.run(
            ["git", "-C", self.root, *identity, *args], check=True, capture_output=True, text=True, env=self.environment
        )
        return done.stdout.strip()

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def start(self, *args: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A process that the test speaks to and ends itself."""
        return subprocess.Popen(
            [sys.executable, ROOT / "cli.py", *args],
            cwd=self.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **(environment or {})},
        )

    def run(self, *args: str, answer: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `ureg args`; `answer` is what is typed."""
        with self.start(*args, environment=environment) as process:
            out, err = process.communicate(answer, timeout=60)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def ureg(self, *args: str, code: int = 0, answer: str = "", **environment: str) -> str:
        """What `ureg args` writes to standard output, after checking that it ends with `code`."""
        done = self.run(*args, answer=answer, **environment)
        assert done.returncode == code, f"exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, *args: str, answer: str = "", **environment: str) -> str:
        """What `ureg args` writes to standard error as it fails with code 1."""
        done = self.run(*args, answer=answer, **environment)
        assert done.returncode == 1, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stderr
