"""What the registry of a soak asks for, and random edits of it: bad ones among them, which do not count."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from crash import things
from manifests import component

_KINDS = ("thing", "thing", "echo", "component")
_STATES = ("running", "running", "running", "stopped")
_BAD = ("spec: [", "apiVersion: ureg/v1\nkind: Nothing\nmetadata: {name: bad}\n", '{"apiVersion": "ureg/v1"}', "\0\xff")


def schemas() -> dict[str, str]:
    """Those of the crash tests. No verb has a limit: a machine that is busy is no fault of a driver."""
    return {path: text.replace(', "timeout": "2s"', "") for path, text in things.schemas().items()}


class Desired:
    """`wanted` is what the newest good commit asks for: state and text by address. Every edit keeps `size` about as it
    is, and a commit is bad with the probability `bad`. `seed` makes it the same each time."""

    def __init__(self, size: int, seed: str, bad: float) -> None:
        self._choice = random.Random(seed)
        self._size = size
        self._count = 0
        self._bad = ""
        self._badness = bad
        self.wanted: dict[str, tuple[str, str]] = {}
        self.edits = self.bad = 0

    def first(self) -> dict[str, str]:
        """All files of the first commit, by path."""
        return dict(self._create() for _ in range(self._size))

    def edit(self, may_be_bad: bool = True) -> dict[str, str | None]:
        """The files of the next commit, None for one that goes. A commit after a bad one mends it."""
        changed: dict[str, str | None] = {self._bad: None} if self._bad else {}
        self._bad = ""
        for _ in range(self._choice.randint(1, 20)):
            path, text = self._one()
            changed[path] = text
            self.edits += 1
        if may_be_bad and self._choice.random() < self._badness:
            self._bad = f"registry.d/bad-{self.edits}.yaml"
            changed[self._bad] = self._choice.choice(_BAD)
            self.bad += 1
        return changed

    def rewrite(self, address: str) -> dict[str, str]:
        """The files of a commit that changes the text of one component that is there, and nothing else of it."""
        state, text = self.wanted[address]
        self.wanted[address] = (state, f"{text}-again")
        return {_path(address): _manifest(address, *self.wanted[address])}

    def add(self, address: str) -> dict[str, str]:
        """The files of a commit that brings one component more, which is to run."""
        self.wanted[address] = ("running", "text-new")
        return {_path(address): _manifest(address, *self.wanted[address])}

    @property
    def addresses(self) -> list[str]:
        return [*self.wanted]

    def _one(self) -> tuple[str, str | None]:
        what = self._choice.random()
        if what < 0.1 and len(self.wanted) >= self._size:
            address = self._choice.choice(self.addresses)
            del self.wanted[address]
            return _path(address), None
        if what < 0.2:
            return self._create()
        return self._write(self._choice.choice(self.addresses))

    def _create(self) -> tuple[str, str]:
        self._count += 1
        return self._write(f"{self._choice.choice(_KINDS)}/n{self._count}")

    def _write(self, address: str) -> tuple[str, str]:
        text = f"text-{self._choice.getrandbits(40):x}"
        state = "enabled" if address.startswith("component/") else self._choice.choice(_STATES)
        self.wanted[address] = (state, text)
        return _path(address), _manifest(address, state, text)


def write(root: Path, files: Mapping[str, str | None]) -> None:
    for path, text in files.items():
        target = root / path
        if text is None:
            target.unlink(missing_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="latin-1")


def _path(address: str) -> str:
    return f"registry.d/{address}.yaml"


def _manifest(address: str, state: str, text: str) -> str:
    kind, name = address.split("/")
    if kind == "component":
        return component(name, text)
    document = {
        "apiVersion": "ureg/v1",
        "kind": kind.capitalize(),
        "metadata": {"name": name},
        "state": state,
        "spec": {"text": text},
    }
    return json.dumps(document)
