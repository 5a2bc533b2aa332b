"""The driver of kinds whose components are Python packages, each in a virtual environment of its own (Plugin).

A state says how far a component is: `registered` has nothing, `installed` and `inactive` have an environment, and
`active` and `deprecated` have their programs and entry points registered for others to find.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.drivers.atomic import explain
from reconciler.drivers.names import file_name
from reconciler.drivers.site import Site
from reconciler.drivers.venv_environment import LOG, current, ensure, locked, remove, use, write_configuration
from reconciler.drivers.venv_links import PLUGINS, entry_of, link, refuse_taken, register
from reconciler.drivers.venv_look import LINKED, REGISTERED, UNLINKED, look, read_world
from reconciler.drivers.venv_package import Unusable, read_package
from reconciler.drivers.venv_run import Job, run_tool
from reconciler.drivers.venv_tools import find_tools
from reconciler.model.address import parse_address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.ports import Driver

_PATIENCE = 600.0
"""Seconds that a transition may take whose verb has no timeout."""
_CHECK_PATIENCE = 30.0


class VenvDriver:
    """Installs several plugins at a time, and links one at a time."""

    name = "venv"
    acts = True
    batches = False

    def __init__(self, site: Site) -> None:
        self._root = site.root
        self._run = site.run

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        world = read_world(self._root, self._run)
        seen = [look(world, record) for record in records]
        return [observation for observation in seen if observation]

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._attempt(transition)) for transition in transitions]

    def health(self, record: Record) -> Health:
        observation = look(read_world(self._root, self._run), record, thorough=True)
        if observation:
            return Health(healthy=False, message=observation.drift)
        complaint = "" if record.state == REGISTERED else self._check(self._folder(record.address))
        return Health(healthy=not complaint, message=complaint)

    def logs(self, record: Record, lines: int, follow: bool) -> Iterator[str]:
        """What the last installation said."""
        from reconciler.drivers.process_logs import LogFile, follow_logs, last_lines

        file = LogFile(self._folder(record.address) / LOG)
        yield from last_lines(file, lines)
        if follow:
            yield from follow_logs(lambda: [file])

    def _folder(self, address: str) -> Path:
        return self._run / PLUGINS / file_name(address)

    def _attempt(self, transition: Transition) -> str:
        """What went wrong; "" where nothing did."""
        deadline = time.monotonic() + (transition.timeout or _PATIENCE)
        try:
            with locked(self._folder(transition.address), deadline) as lock:
                self._carry_out(transition, deadline, lock)
        except Unusable as error:
            return str(error)
        except OSError as error:
            # Where a folder on the way was opened, the name alone says too little.
            place = error.filename if str(error.filename).startswith("/") else self._folder(transition.address)
            return f"{place}: {explain(error)}"
        return ""

    def _carry_out(self, transition: Transition, deadline: float, lock: int) -> None:
        if transition.target in LINKED | UNLINKED:
            self._bring(transition, deadline, lock)
        elif transition.target in (REGISTERED, ABSENT):
            self._drop(transition.address, deadline)
        else:
            states = ", ".join(sorted({REGISTERED} | LINKED | UNLINKED))
            raise Unusable(f"this driver knows no state {transition.target!r}; it knows {states}")

    def _bring(self, transition: Transition, deadline: float, lock: int) -> None:
        """Gives the component an environment, and makes it known to others where its state asks for it."""
        folder = self._folder(transition.address)
        spec = (transition.after or transition.before or {}).get("spec", {})
        _refuse_files_of_others(transition.address, spec)
        package = read_package(spec, self._root)
        installed = ensure(folder, package, Job(folder / LOG, deadline, lock))
        active = transition.target in LINKED
        scripts = installed.receipt.scripts if active else []
        with locked(self._run / PLUGINS, deadline):
            refuse_taken(self._run, folder.name, scripts)
            use(folder, installed)
            if active:
                write_configuration(folder, spec)
            link(self._run, folder.name, scripts)
            entry = entry_of(folder.name, installed.receipt) if active else None
            register(self._run, transition.address, entry)

    def _drop(self, address: str, deadline: float) -> None:
        folder = self._folder(address)
        with locked(self._run / PLUGINS, deadline):
            link(self._run, folder.name, [])
            register(self._run, address, None)
        remove(folder)

    def _check(self, folder: Path) -> str:
        """What the environment lacks, in the tool's words."""
        from tempfile import TemporaryDirectory

        installed = current(folder)
        if installed is None:
            return ""
        with TemporaryDirectory(prefix="ureg-") as scratch:
            job = Job(Path(scratch) / "check.log", time.monotonic() + _CHECK_PATIENCE)
            try:
                run_tool(find_tools().check(installed.path), job)
            except (Unusable, OSError) as error:
                return str(error)
        return ""


def _refuse_files_of_others(address: str, spec: Mapping[str, Any]) -> None:
    """Raises Unusable for a component of a sub-registry that names files: here they would be the parent's."""
    if parse_address(address).registry and "name" not in spec.get("package", {}):
        raise Unusable("spec.package must be a name in a sub-registry: its files are not at hand here")


def open_driver(site: Site) -> Driver:
    return VenvDriver(site)
