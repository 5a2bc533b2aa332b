"""Sees how the components of the process driver are: one question to supervisord for all, and a look at their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.drivers import process_engine
from reconciler.drivers.process_spec import INSTALLED, RUNNING, SLOTS, STOPPED, program_name, wanted
from reconciler.drivers.process_supervisor import BACKOFF, EXITED, FATAL, UP, Look, Process, Supervisor
from reconciler.drivers.secrets import Unresolved
from reconciler.drivers.site import Site
from reconciler.model.record import Observation, Record, Seen

_FIELDS = {
    "about": "version or configuration",
    "argument": "spec.command",
    "conf": "program file",
    "credentials": "spec.secrets",
    "delay": "spec.restart.delay",
    "directory": "spec.workingDirectory",
    "environment": "spec.environment",
    "limit": "spec.limits",
    "user": "spec.user",
}
_APPLIED, _OTHERWISE = "as applied", "otherwise"
_KILLED = -1
"""What supervisord says instead of an exit code."""


def observe(site: Site, supervisor: Supervisor, records: Sequence[Record]) -> Iterator[Observation]:
    """Those that differ from their records. Raises OSError where supervisord does not answer."""
    look = supervisor.look()
    for record in records:
        spec = record.body().get("spec", {})
        if seen := _process(site, supervisor, look, record, spec) or _files(site, record, spec):
            yield seen


def _process(
    site: Site, supervisor: Supervisor, look: Look, record: Record, spec: dict[str, Any]
) -> Observation | None:
    names = {slot: program_name(record.address, slot) for slot in SLOTS}
    up = [slot for slot, name in names.items() if look.is_up(name)]
    if record.state != RUNNING or "command" not in spec:
        if not up:
            return None
        running = f"running (pid {look.of(names[up[0]])[0].pid})"
        return _seen(record, RUNNING, f"it runs, and should be {record.state}", Seen("process", record.state, running))
    if not up:
        why = _why_down(look, [process for name in names.values() for process in look.of(name)])
        return _seen(record, STOPPED, why, Seen("process", RUNNING, why))
    if len(up) > 1:
        why = "two copies run: a replacement was not finished"
        return _seen(record, RUNNING, why, Seen("process", "one copy", "two copies"))
    return _compare(site, supervisor, record, spec, up[0])


def _compare(site: Site, supervisor: Supervisor, record: Record, spec: dict[str, Any], slot: str) -> Observation | None:
    """What runs, with what the record asks for."""
    try:
        program = wanted(site, supervisor.home, record.address, spec, slot).program
    except (Unresolved, process_engine.Refused) as error:
        return Observation(record.address, record.state, str(error))
    fields = [_FIELDS.get(field, field) for field in supervisor.home.changed(program)]
    if not fields:
        return None
    seen = [Seen(field, _APPLIED, _OTHERWISE) for field in fields]
    return _seen(record, RUNNING, f"it was started otherwise: {', '.join(fields)}", *seen)


def _why_down(look: Look, processes: Sequence[Process]) -> str:
    if not look.alive:
        return "supervisord is not running"
    down = [process for process in processes if process.state not in UP]
    if not down:
        return "supervisord does not know it"
    which = f"process {processes.index(down[0]) + 1} of {len(processes)}" if len(processes) > 1 else "it"
    if down[0].state == EXITED:
        code = down[0].exit_code
        return f"{which} was killed by a signal" if code == _KILLED else f"{which} ended with exit code {code}"
    if down[0].state in (BACKOFF, FATAL):
        return f"{which} ends right after each start"
    return f"{which} was stopped"


def _files(site: Site, record: Record, spec: dict[str, Any]) -> Observation | None:
    if record.state not in (INSTALLED, RUNNING, STOPPED):
        return None
    drift = process_engine.drift(site.root, record.address, spec)
    return _seen(record, record.state, drift, Seen("files", _APPLIED, drift)) if drift else None


def _seen(record: Record, state: str, drift: str, *seen: Seen) -> Observation:
    return Observation(record.address, state, drift, seen)
