"""Starts a program and waits until it is ready, or finds out why it never will be."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence

from reconciler.drivers.process_check import Check
from reconciler.drivers.process_home import Home
from reconciler.drivers.process_logs import LogFile, last_lines, written
from reconciler.drivers.process_program import Program
from reconciler.drivers.process_supervisor import EXITED, FATAL, LATELY, UP, Process, Supervisor

SETTLE = 3.0
"""For how many seconds a program without a check must stay up to count as ready."""
_SHORTEST_PAUSE, _LONGEST_PAUSE, _SLOWER = 0.05, 1.0, 1.5
_MARGIN = 5.0
_SHOWN_LINES = 5
_SHOWN_COLUMNS = 200
_SUPERVISOR_LINES = 200
_ENDED = re.compile(r"exited: (\S+) \((.*?); (?:not )?expected\)")


class Failed(Exception):
    """Why a program is not ready, with what it wrote last."""


class _Lives:
    """When each process of a program was first seen, by its name and its pid."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, float]] = {}

    def note(self, processes: Sequence[Process], now: float) -> None:
        for process in processes:
            if process.pid:
                self._seen.setdefault(process.name, {}).setdefault(process.pid, now)

    def deaths(self, process: Process) -> int:
        return len(self._seen.get(process.name, {})) - bool(process.pid)

    def age(self, process: Process, moment: float) -> float:
        return moment - self._seen.get(process.name, {}).get(process.pid, moment)


def start(supervisor: Supervisor, program: Program, check: Check | None, patience: float) -> None:
    """Starts `program`, of which nothing may run, and returns when all of its processes are up and its check is good.
    `patience` is in seconds. Raises Failed, Unstartable and OSError; what was started is left as it is."""
    before = {number: written(supervisor.home.logs(program.name, number)) for number in range(program.processes)}
    supervisor.put(program)
    if reason := await_ready(supervisor, program, check, patience):
        ways = "".join(_ways_of_ending(supervisor.home, program))
        raise Failed(f"{reason}{ways}{_output(supervisor.home, program, before)}")


def await_ready(supervisor: Supervisor, program: Program, check: Check | None, patience: float) -> str:
    """Waits until `program` is ready; why it is not, else "". It tries more often than the check's interval says, so
    that nobody waits for the next try."""
    began = time.monotonic()
    deadline = began + min(patience, check.budget if check else _longest_settling(program))
    lives, good, pause = _Lives(), 0, _SHORTEST_PAUSE
    while True:
        look, now = supervisor.look(LATELY), time.monotonic()
        if not look.alive:
            return "supervisord ended meanwhile"
        processes = look.of(program.name)
        lives.note(processes, now)
        if hopeless := next(_hopeless(program, processes, lives), ""):
            return hopeless
        problem = _problem(processes, check, lives, look.moment)
        good = 0 if problem else good + 1
        if good >= (check.successes if check else 1):
            return ""
        if problem and now >= deadline:
            return f"it is not ready after {now - began:.0f} s: {problem}"
        time.sleep(pause)
        pause = min(pause * _SLOWER, _LONGEST_PAUSE, check.interval if check else _LONGEST_PAUSE)


def _starts_again(program: Program, process: Process) -> bool:
    """Whether supervisord starts a process again that ended when it had been up for a while."""
    return program.restart == "always" or (program.restart == "on-failure" and process.exit_code != 0)


def _hopeless(program: Program, processes: Sequence[Process], lives: _Lives) -> Iterator[str]:
    """Why there is no point in waiting on."""
    for process in processes:
        deaths = lives.deaths(process)
        if process.state == FATAL or deaths >= program.attempts:
            times = max(deaths, 1 if program.restart == "never" else program.attempts)
            yield (
                "it ended right after its start" if times == 1 else f"it was started {times} times and ended each time"
            )
        elif process.state == EXITED and not _starts_again(program, process):
            yield "it ended before it was ready"


def _problem(processes: Sequence[Process], check: Check | None, lives: _Lives, moment: float) -> str:
    """What is still missing, "" where nothing is. `moment` is when the processes were asked for, which can be long ago
    on a busy machine."""
    if not processes:
        return "supervisord does not know it"
    if any(process.state not in UP for process in processes):
        return "it ended, and waits to be started again"
    if check:
        return check.attempt()
    if min(lives.age(process, moment) for process in processes) < SETTLE:
        return "it does not stay up"
    return ""


def _longest_settling(program: Program) -> float:
    """For how long it may take to find out, by all attempts, whether a program stays up. supervisord waits one second
    longer after each attempt."""
    waits = program.launch.delay + program.attempts
    return program.attempts * (SETTLE + waits) + _MARGIN


def _ways_of_ending(home: Home, program: Program) -> Iterator[str]:
    """How a process of the program ended last, in supervisord's words."""
    ended = [_ENDED.search(line) for line in last_lines(LogFile(home.folder / "supervisord.log"), _SUPERVISOR_LINES)]
    names = {f"{program.name}_{number}" for number in range(program.processes)}
    ways = [match[2] for match in ended if match and match[1] in names]
    if ways:
        yield f" ({ways[-1]})"


def _output(home: Home, program: Program, before: Mapping[int, int]) -> str:
    """What the program's processes wrote last since they were started."""
    lines = [
        line[:_SHOWN_COLUMNS]
        for number, since in before.items()
        for line in last_lines(LogFile(home.logs(program.name, number)), _SHOWN_LINES, since)
    ]
    if not lines:
        return ". It wrote nothing."
    return "\n".join([". It wrote last:", *(f"  {line}" for line in lines[-_SHOWN_LINES:])])
