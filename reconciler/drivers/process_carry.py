"""Carries one transition of the process driver out: brings a program up, replaces it, takes it down."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from reconciler.drivers import process_engine
from reconciler.drivers.atomic import explain
from reconciler.drivers.endpoints import publish, withdraw
from reconciler.drivers.process_home import Unstartable
from reconciler.drivers.process_preflight import launch_problems, port_problems, spec_problems
from reconciler.drivers.process_spec import (
    BLUE,
    INSTALLED,
    RUNNING,
    SLOTS,
    STOPPED,
    Wanted,
    is_blue_green,
    program_name,
    stop_timeout,
    wanted,
)
from reconciler.drivers.process_start import Failed, await_ready, start
from reconciler.drivers.process_supervisor import LATELY, Supervisor
from reconciler.drivers.secrets import Unresolved
from reconciler.drivers.site import Site
from reconciler.model.address import Address
from reconciler.model.outcome import Transition

RESTART = "restart"
"""The on-demand verb."""
_KILL_SECONDS = 10.0
"""For how long a process may go on after supervisord killed it."""


class Unfit(Exception):
    """Why a program cannot run here; for the user."""


class Task(NamedTuple):
    """A transition, its specs before and after, and the moment (monotonic) by which it is to be done."""

    address: Address
    verb: str
    source: str
    target: str
    before: Mapping[str, Any]
    spec: Mapping[str, Any]
    deadline: float

    @property
    def halting(self) -> float:
        """For how many seconds its old processes may take to end."""
        return max(stop_timeout(self.before), stop_timeout(self.spec)) + _KILL_SECONDS

    @property
    def patience(self) -> float:
        return self.deadline - time.monotonic()


def carry_out(site: Site, supervisor: Supervisor, transition: Transition) -> str:
    """What went wrong, "" where nothing did."""
    task = _task(transition)
    try:
        if task.target == RUNNING:
            _bring_up(site, supervisor, task)
        elif task.target in (INSTALLED, STOPPED):
            _lay_down(site, supervisor, task)
        else:
            _clear(site, supervisor, task)
    except (Unfit, Unresolved, Unstartable, Failed, process_engine.Refused) as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {explain(error)}" if error.filename else explain(error)
    return ""


def _task(transition: Transition) -> Task:
    before, after = transition.before or {}, transition.after or {}
    return Task(
        transition.address,
        transition.verb,
        transition.source,
        transition.target,
        before.get("spec", {}),
        after.get("spec", {}),
        time.monotonic() + (transition.timeout or float("inf")),
    )


def _bring_up(site: Site, supervisor: Supervisor, task: Task) -> None:
    _prepare(site, supervisor, task)
    if not task.spec.get("command"):
        _take_down(site, supervisor, task)
        return
    live = _live_slot(supervisor, task.address)
    found = wanted(site, supervisor.home, task.address, task.spec, live or BLUE)
    if live and task.verb != RESTART and supervisor.runs(found.program):
        _keep(supervisor, task, found, live)
    elif live and is_blue_green(task.spec):
        found = _replace_gently(site, supervisor, task, live)
    else:
        _replace(site, supervisor, task, found)
    publish(site.run, task.address, found.endpoints)


def _prepare(site: Site, supervisor: Supervisor, task: Task) -> None:
    """Checks all that can be checked while the old program still runs, and lays the files that the new one needs."""
    if task.spec.get("command"):
        _refuse(spec_problems(site.root, task.spec))
        _refuse(launch_problems(wanted(site, supervisor.home, task.address, task.spec, BLUE).program.launch))
    process_engine.prepare(site.root, task.address, task.spec, task.before)
    process_engine.clear(site.root, task.address, task.before, keep=task.spec.get("configurationFile", ""))


def _keep(supervisor: Supervisor, task: Task, found: Wanted, live: str) -> None:
    """The program runs already. It was seen to be ready, unless it was started by an apply that died."""
    finished = task.source == RUNNING and not _others(supervisor, task.address, live)
    if not finished and (reason := await_ready(supervisor, found.program, found.ready, task.patience)):
        raise Failed(reason)
    _remove(supervisor, task, _others(supervisor, task.address, live))


def _replace_gently(site: Site, supervisor: Supervisor, task: Task, live: str) -> Wanted:
    """Starts the new program in the free slot, and ends the old one when the new one is ready and known."""
    (free,) = set(SLOTS) - {live}
    found = wanted(site, supervisor.home, task.address, task.spec, free)
    _remove(supervisor, task, [found.program.name])
    _start(supervisor, task, found)
    publish(site.run, task.address, found.endpoints)
    _remove(supervisor, task, [program_name(task.address, live)])
    return found


def _replace(site: Site, supervisor: Supervisor, task: Task, found: Wanted) -> None:
    """Ends the old program, then starts the new one in its place."""
    name = found.program.name
    _remove(supervisor, task, [other for other in _names(task.address) if other != name])
    supervisor.halt(name, task.halting)
    try:
        _start(supervisor, task, found)
    except (Unfit, Failed, Unstartable, OSError):
        withdraw(site.run, task.address)
        raise


def _start(supervisor: Supervisor, task: Task, found: Wanted) -> None:
    """Starts the program; one that does not become ready is taken away again."""
    try:
        _refuse(port_problems(found.ports))
        start(supervisor, found.program, found.ready, task.patience)
    except (Unfit, Failed, Unstartable, OSError):
        _remove(supervisor, task, [found.program.name])
        raise


def _lay_down(site: Site, supervisor: Supervisor, task: Task) -> None:
    """Ends the program, and leaves what it needs to start."""
    if task.target in (INSTALLED, task.source):
        _prepare(site, supervisor, task)
    _take_down(site, supervisor, task)


def _clear(site: Site, supervisor: Supervisor, task: Task) -> None:
    _take_down(site, supervisor, task)
    process_engine.clear(site.root, task.address, task.before)
    for name in _names(task.address):
        supervisor.home.erase_logs(name)


def _take_down(site: Site, supervisor: Supervisor, task: Task) -> None:
    if task.source == RUNNING or _live_slot(supervisor, task.address):
        withdraw(site.run, task.address)
    _remove(supervisor, task, _names(task.address))


def _remove(supervisor: Supervisor, task: Task, names: Iterable[str]) -> None:
    for name in names:
        supervisor.remove(name, task.halting)


def _live_slot(supervisor: Supervisor, address: Address) -> str:
    """The slot whose program is up, "" where none is."""
    look = supervisor.look(LATELY)
    return next((slot for slot in SLOTS if look.is_up(program_name(address, slot))), "")


def _others(supervisor: Supervisor, address: Address, live: str) -> list[str]:
    """What a replacement that was not finished left: the program in the other slot."""
    known = supervisor.home.names()
    return [name for name in _names(address) if name in known and name != program_name(address, live)]


def _names(address: Address) -> list[str]:
    return [program_name(address, slot) for slot in SLOTS]


def _refuse(problems: Iterable[str]) -> None:
    if words := "; ".join(problems):
        raise Unfit(words)
