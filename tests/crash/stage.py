"""A registry that can be put back to where it stood as often as wanted, and applied in a process that may be killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from crash import things
from repository import ROOT, Repository

MARKER = "m4rker-0f-a-secret"
"""What the secret of every Thing is; it may turn up nowhere."""

APPLY = ("apply", "-auto-approve", "-json")
HERE = Path(__file__).parent


class Database(Protocol):
    """Where the state is kept when it is not in a file."""

    url: str

    def save(self) -> None:
        """Keeps what the database holds now."""

    def restore(self) -> None:
        """Puts back what was kept, whoever is connected."""


class Done(NamedTuple):
    """A command that ended: its exit code (negative for a signal), what it wrote, and how long it took in seconds."""

    code: int
    out: str
    err: str
    seconds: float


class Verdict(NamedTuple):
    """What the checker found: what does not hold, and how long the apply after the crash took, in seconds."""

    violations: tuple[str, ...]
    seconds: float


class Stage:
    """The registry in `folder`: version 1 is applied, version 2 is committed. `size` is the number of Things."""

    def __init__(self, folder: Path, size: int, database: Database | None = None) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.size = size
        self.root = folder / "registry"
        self.root.mkdir()
        self.database = database
        self.store = "postgresql" if database else "sqlite"
        self._orders = folder / "orders.json"
        self._repository = Repository(self.root, folder / "cache")
        site = folder / "site"
        shutil.copytree(HERE / "ledger", site, ignore=shutil.ignore_patterns("__pycache__"))
        self.environment = {
            **self._repository.environment,
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
            "LEDGER_ORDERS": str(self._orders),
            things.TOKEN: MARKER,
            **({"UREG_STATE": database.url} if database else {}),
        }
        self._repository.git("init", "-q", "-b", "main")
        self._repository.write(".gitignore", "/.ureg/\n/saved\n")
        for path, text in things.schemas().items():
            self._repository.write(path, text)
        self.commit(things.manifests(size, 1))
        self.ureg(*APPLY)
        self.commit(things.manifests(size, 2))
        self.ureg("plan", "-lock=false")  # fills the compile cache
        self.save()
        self.end, self.seconds = self._undisturbed()

    def commit(self, manifests: Mapping[str, str]) -> str:
        """Makes `manifests` the whole registry."""
        shutil.rmtree(self.root / "registry.d", ignore_errors=True)
        for path, text in manifests.items():
            self._repository.write(path, text)
        return self._repository.commit()

    def git(self, *args: str) -> str:
        return self._repository.git(*args)

    def order(self, **orders: object) -> None:
        """Tells the driver what to do from now on: delay, fail, hang, die."""
        write_orders(self._orders, **orders)

    def save(self) -> None:
        """Keeps what the state and the world are now, for `restore`."""
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        shutil.copytree(self.root / ".ureg", self.folder / "kept")
        self._kept_calls = self.calls()
        if self.database:
            self.database.save()

    def restore(self) -> None:
        shutil.rmtree(self.root / ".ureg", ignore_errors=True)
        shutil.copytree(self.folder / "kept", self.root / ".ureg")
        if self.database:
            self.database.restore()
        self.order()

    @contextmanager
    def start(
        self, *args: str, wrapper: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Starts `ureg args`, under the program `wrapper` if there is one. Nothing of it outlives the block."""
        process = subprocess.Popen(
            [*wrapper, sys.executable, str(ROOT / "cli.py"), *args],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **(environment or {})},
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def run(
        self,
        *args: str,
        wrapper: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        kill_after: float = 0,
    ) -> Done:
        """Runs `ureg args` to its end, which comes after `kill_after` seconds at the latest where that is given."""
        began = time.monotonic()
        with self.start(*args, wrapper=wrapper, environment=environment) as process:
            try:
                out, err = process.communicate(timeout=kill_after or 120)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                out, err = process.communicate()
                assert kill_after, f"{args} hangs\n{out}\n{err}"
        return Done(process.returncode, out, err, time.monotonic() - began)

    def ureg(self, *args: str, code: int = 0) -> str:
        """What `ureg args` writes, after checking that it ends with `code`."""
        done = self.run(*args)
        assert done.code == code, f"{args}: exit {done.code}, not {code}\n{done.out}\n{done.err}"
        return done.out

    def keep_end(self, name: str) -> Path:
        """Notes how things stand now in a file, as the end that an apply is to reach."""
        end = self.folder / name
        subprocess.run([sys.executable, HERE / "checker.py", self.root, end], check=True, env=self.environment)
        return end

    def check(self, crashed: Done, end: Path | None = None) -> Verdict:
        """Lets the checker judge what is left, apply once more, and judge the end."""
        said = self.folder / "said"
        said.write_text(json.dumps(crashed._asdict()))
        with subprocess.Popen(
            [sys.executable, HERE / "checker.py", self.root, end or self.end, said],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        ) as process:
            out, err = process.communicate(timeout=120)
        assert out, err
        found = json.loads(out)
        return Verdict(tuple(found["violations"]), found["seconds"])

    def calls(self) -> list[dict[str, str]]:
        """What the ledger drivers were asked for so far."""
        try:
            lines = (self.root / ".ureg/out/ledger/calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def await_call(self, address: str, verb: str = "") -> None:
        """Waits until a driver was asked for something new about `address`."""
        deadline = time.monotonic() + 30
        known = len(self._kept_calls)
        while not any(call["address"] == address and verb in call["verb"] for call in self.calls()[known:]):
            assert time.monotonic() < deadline, f"{verb} of {address} never came"
            time.sleep(0.01)

    def _undisturbed(self) -> tuple[Path, float]:
        """The file with the end that an undisturbed run reaches, and how long that takes."""
        self.restore()
        done = self.run(*APPLY)
        assert done.code == 0, f"{done.out[-1500:]}{done.err}"
        end = self.keep_end("end")
        self.restore()
        return end, done.seconds


def write_orders(path: Path, **orders: object) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(orders))
    unfinished.rename(path)


def ended(process: subprocess.Popen[str], seconds: float = 60) -> Done:
    """What came of a process that ends by itself, within `seconds`."""
    began = time.monotonic()
    out, err = process.communicate(timeout=seconds)
    return Done(process.returncode, out, err, time.monotonic() - began)
