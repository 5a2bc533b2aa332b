"""Brings the Envoy of a mesh from one set of files to another, and back where it does not take them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.drivers.atomic import Folder
from reconciler.drivers.envoy_admin import Status, status
from reconciler.drivers.envoy_files import (
    BOOTSTRAP,
    CLUSTERS,
    DYNAMIC,
    LISTENERS,
    MODE,
    ROUTING,
    SOCKET,
    bootstrap,
    document,
    home,
    resources_of,
    version_of,
)
from reconciler.drivers.envoy_life import Refused, command, complaint, rejection
from reconciler.drivers.names import file_name
from reconciler.drivers.process_home import Unstartable, launch_here
from reconciler.drivers.process_logs import written
from reconciler.drivers.process_program import Program
from reconciler.drivers.process_supervisor import BACKOFF, EXITED, FATAL, Supervisor
from reconciler.model.address import Address

_PATIENCE = 15.0
"""Seconds that Envoy may take to start, or to read its files."""
_WARM = 3.0
"""Seconds that are waited for the first health checks of new services."""
_PAUSE = 0.002
_AGE = 0.1
_ATTEMPTS = 10
"""How often supervisord starts it again when it dies while it starts."""
_LOG_PATIENCE = 0.5
_TAIL = 4_000


class Envoy:
    """The Envoy of the mesh `mesh`; `run` is the site's folder. Every method raises OSError."""

    def __init__(self, run: Path, mesh: Address, supervisor: Supervisor) -> None:
        self.home = home(run, mesh)
        self._mesh = mesh
        self._name = f"{file_name(mesh)}.envoy"
        self._supervisor = supervisor

    def status(self) -> Status | None:
        """None where it does not run."""
        with suppress(OSError):
            return status(self.home)
        return None

    def pids(self) -> frozenset[int]:
        """Of the process that runs, if any does."""
        return frozenset(process.pid for process in self._supervisor.look().of(self._name))

    def take(self, folder: Folder, files: Mapping[str, bytes]) -> None:
        """Makes the dynamic files `files` what Envoy works with, and starts it where it does not run. Raises Refused,
        and then the old files are back, and it runs if it did before."""
        old = {name: found.data for name in (*DYNAMIC, BOOTSTRAP) if (found := folder.read(name))}
        before = self.status() if old.pop(BOOTSTRAP, b"") == bootstrap(self._mesh) else None
        try:
            if before is None:
                self._start(folder, files)
            else:
                self._swap(folder, old, files, before)
        except Refused:
            self._put_back(folder, old, runs=before is not None)
            raise

    def stop(self, folder: Folder) -> None:
        """Ends it, and removes the files that it works with. Raises Refused."""
        with _refusing():
            self._supervisor.remove(self._name, _PATIENCE)
        for name in (*DYNAMIC, BOOTSTRAP, SOCKET):
            folder.remove(name)

    def log(self) -> Path:
        return self._supervisor.home.logs(self._name, 0)

    def erase_log(self) -> None:
        self._supervisor.home.erase_logs(self._name)

    def _start(self, folder: Folder, files: Mapping[str, bytes]) -> None:
        for name, data in {**files, BOOTSTRAP: bootstrap(self._mesh)}.items():
            folder.write(name, data, MODE)
        mark = written(self.log())
        program = Program(self._name, launch_here(command(), self.home), restart="always", attempts=_ATTEMPTS)
        with _refusing():
            self._supervisor.halt(self._name, _PATIENCE)
            self._supervisor.put(program)
        self._confirm(files, {}, mark)

    def _swap(self, folder: Folder, old: Mapping[str, bytes], files: Mapping[str, bytes], before: Status) -> None:
        """Clusters come before the routes that lead to them, and go after them."""
        stands, took = dict(old), before
        kept = _with_old_clusters(old.get(CLUSTERS, b""), files[CLUSTERS])
        for stage in ({CLUSTERS: kept}, {name: files[name] for name in (LISTENERS, ROUTING)}, files):
            new = {n: d for n, d in stage.items() if stands.get(n) != d or took.versions[n] != version_of(d)}
            if not new:
                continue
            mark = written(self.log())
            for name, data in new.items():
                folder.write(name, data, MODE)
            took = self._confirm(new, took.refused, mark)
            stands |= new

    def _put_back(self, folder: Folder, old: Mapping[str, bytes], runs: bool) -> None:
        if not runs:
            with suppress(Refused):
                self.stop(folder)
        for name in (LISTENERS, ROUTING, CLUSTERS):
            if name in old:
                folder.write(name, old[name], MODE)
        if runs:
            with suppress(Refused):
                self._confirm(old, dict.fromkeys(old, sys.maxsize), written(self.log()))

    def _confirm(self, files: Mapping[str, bytes], refused: Mapping[str, int], mark: int) -> Status:
        """Waits until Envoy has taken `files`. `refused` counts what it refused before. Raises Refused."""
        versions = {name: version_of(data) for name, data in files.items()}
        began = time.monotonic()
        while True:
            found, waited = self.status(), time.monotonic() - began
            if found and any(found.refused[name] > refused.get(name, 0) for name in files):
                raise Refused(rejection(self._said(mark, "rejected")))
            taken = found and all(found.versions[name] == version for name, version in versions.items())
            if found and taken and (not found.warming or waited > _WARM):
                return found
            if found is None and self._is_dead():
                raise Refused(f"Envoy ended: {complaint(self._said(mark, ''))}")
            if waited > _PATIENCE:
                told = complaint(self._said(mark, ""))
                raise Refused(f"Envoy did not take its files within {_PATIENCE:.0f} s. Its log ends with: {told}")
            time.sleep(_PAUSE)

    def _is_dead(self) -> bool:
        """Whether it ended by itself just now."""
        return any(process.state in (BACKOFF, EXITED, FATAL) for process in self._supervisor.look(_AGE).of(self._name))

    def _said(self, mark: int, word: str) -> str:
        """What it wrote to its log since `mark`, which may take a moment to get there."""
        said, deadline = "", time.monotonic() + _LOG_PATIENCE
        while True:
            with suppress(FileNotFoundError), self.log().open("rb") as log:
                log.seek(mark if mark <= self.log().stat().st_size else 0)
                said = log.read(_TAIL).decode(errors="replace")
            if word in said or time.monotonic() > deadline:
                return said
            time.sleep(_PAUSE)


@contextmanager
def _refusing() -> Iterator[None]:
    """Tells what supervisord cannot do as what Envoy cannot."""
    try:
        yield
    except Unstartable as error:
        raise Refused(str(error)) from error


def _with_old_clusters(old: bytes, new: bytes) -> bytes:
    """The clusters of `new`, and behind them those of `old` that it does not have."""
    wanted = resources_of(new)
    names = {cluster["name"] for cluster in wanted}
    return document(wanted + [cluster for cluster in resources_of(old) if cluster["name"] not in names])
