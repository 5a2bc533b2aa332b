"""The driver of sub-registries. What they bring has drivers of its own; here is only the local copy that it is read
from, which must hold the pinned commit while a sub-registry is enabled and is dropped when it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import orjson

from reconciler.drivers.atomic import explain
from reconciler.drivers.site import Site
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.ports import Driver

_ENABLED = "enabled"
_COMMITS = "[0-9a-f]" * 40


class GitDriver:
    """`mirrors` is the folder in which the planning keeps the copies."""

    name = "git"
    acts = False
    batches = True

    def __init__(self, mirrors: Path) -> None:
        self._mirrors = mirrors

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        """A branch that moved is a wish that moved, and a copy can be made again: neither is drift."""
        return ()

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._carry_out(transition)) for transition in transitions]

    def health(self, record: Record) -> Health:
        commit = record.body().get("spec", {}).get("commit", "")
        pinned = record.state == _ENABLED and commit
        return Health(healthy=True, message=f"pinned to {commit[:12]}" if pinned else "")

    def logs(self, record: Record, lines: int, follow: bool) -> Sequence[str]:
        return ()

    def _carry_out(self, transition: Transition) -> str:
        try:
            if transition.target == _ENABLED:
                return self._settle(transition.address, transition.after or {})
            if transition.source == _ENABLED or transition.target == ABSENT:
                self._drop(transition.address, transition.before or {})
        except OSError as error:
            return f"the copy of the repository cannot be changed: {explain(error)}"
        return ""

    def _settle(self, address: str, manifest: Mapping[str, Any]) -> str:
        """Makes sure that the pinned commit is there, and drops the others."""
        commit = manifest["spec"].get("commit", "")
        for mirror in self._owned(address, manifest):
            if commit and (mirror / commit).is_dir():
                for other in mirror.glob(_COMMITS):
                    if other.name != commit:
                        rmtree(other, ignore_errors=True)
                return ""
        return f"the commit {commit[:12] or 'that it is pinned to'} is not here any more: plan again to fetch it"

    def _drop(self, address: str, manifest: Mapping[str, Any]) -> None:
        for mirror in self._owned(address, manifest):
            rmtree(mirror)

    def _owned(self, address: str, manifest: Mapping[str, Any]) -> list[Path]:
        """The folder with the copy of this repository for this component, if there is one."""
        source = manifest.get("spec", {}).get("source")
        owner = orjson.dumps({"address": address, "source": source}, option=orjson.OPT_SORT_KEYS)
        return [path.parent for path in self._mirrors.glob("*/owner") if path.read_bytes() == owner]


def open_driver(site: Site) -> Driver:
    return GitDriver(Path(site.options["mirrors"]))
