"""The driver of components that are processes (Service, Engine), run by one supervisord for the registry.

`running` is reached when a component's readiness check says so. Only what runs, or is to run, is known to supervisord;
`installed` and `stopped` differ in the record alone. All transitions that are ready come as one batch, and each goes
its own way in a thread of its own, so that starting many takes as long as the slowest of them.

An engine without a command is a library: nothing runs, and `running` means that its files are in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from reconciler.drivers.process_logs import LogFile, follow_logs, last_lines
from reconciler.drivers.process_observe import observe
from reconciler.drivers.process_spec import RUNNING, SLOTS, program_name, wanted
from reconciler.drivers.process_supervisor import LATELY, Supervisor
from reconciler.drivers.secrets import Unresolved, mark
from reconciler.drivers.site import Site
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.ports import Driver

_MOST_THREADS = 256


class ProcessDriver:
    name = "process"
    acts = True
    batches = True

    def __init__(self, site: Site) -> None:
        self._site = site
        self._supervisor = Supervisor(site.run)

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        return list(observe(self._site, self._supervisor, records))

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        from concurrent.futures import ThreadPoolExecutor

        from reconciler.drivers.process_carry import carry_out

        self._supervisor.forget()
        with ThreadPoolExecutor(min(len(transitions), _MOST_THREADS)) as threads:
            errors = threads.map(lambda each: carry_out(self._site, self._supervisor, each), transitions)
            return [Outcome(each.address, error) for each, error in zip(transitions, errors, strict=True)]

    def health(self, record: Record) -> Health:
        for seen in self.observe([record]):
            return Health(healthy=False, message=seen.drift)
        spec = record.body().get("spec", {})
        if record.state != RUNNING or "command" not in spec:
            return Health(healthy=True)
        look = self._supervisor.look(LATELY)
        slot = next((slot for slot in SLOTS if look.is_up(program_name(record.address, slot))), SLOTS[0])
        check = wanted(self._site, self._supervisor.home, record.address, spec, slot)
        probe = check.health or check.ready
        problem = probe.attempt() if probe else ""
        return Health(healthy=not problem, message=problem)

    def logs(self, record: Record, lines: int, follow: bool) -> Iterator[str]:
        spec = record.body().get("spec", {})
        with suppress(Unresolved):  # what a secret is must be known, to be taken out of what the process wrote
            self._site.secrets.fill(mark({key: spec.get(key, {}) for key in ("environment", "secrets")}))
        files = self._log_files(record)
        found = [line for file in files for line in last_lines(file, lines)]
        yield from found[max(0, len(found) - lines) :]
        if follow:
            yield from follow_logs(lambda: self._log_files(record))

    def _log_files(self, record: Record) -> list[LogFile]:
        """What its processes write to, the latest last; of several, each line tells which one wrote it."""
        count = record.body().get("spec", {}).get("replicas", 1)
        files = [
            LogFile(self._supervisor.home.logs(program_name(record.address, slot), number), f"{number}: " * (count > 1))
            for slot in SLOTS
            for number in range(count)
        ]
        return sorted((file for file in files if file.path.exists()), key=lambda file: file.path.stat().st_mtime)


def open_driver(site: Site) -> Driver:
    return ProcessDriver(site)
