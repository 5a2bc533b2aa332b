"""The programs that run under the registry's supervisord: put there, looked at, halted, removed.

Everything may be asked from many threads and processes at once. Programs that are put at the same moment are given to
supervisord together, because it reads all its files again each time; looks at the same moment share one answer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from reconciler.drivers.process_home import Home, Unstartable
from reconciler.drivers.process_program import Program
from reconciler.drivers.process_rpc import ALREADY_STARTED, BAD_NAME, NOT_RUNNING, Call, Down, Fault, call

STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL = 10, 20, 30, 40, 100, 200
UP = frozenset({STARTING, RUNNING})
_BUSY = frozenset({STARTING, RUNNING, BACKOFF, STOPPING})
LATELY = 0.5
"""How old, in seconds, an answer may be that is not about something that was just asked for."""
_PAUSE = 0.05


class Process(NamedTuple):
    """One process of a program, as supervisord knows it. `pid` is 0 where none runs."""

    name: str
    state: int
    pid: int
    exit_code: int


class Look(NamedTuple):
    """What supervisord said at a moment (by the monotonic clock). `alive` is False where there is no supervisord."""

    moment: float
    alive: bool
    programs: Mapping[str, Sequence[Process]]

    def of(self, name: str) -> Sequence[Process]:
        return self.programs.get(name, ())

    def is_up(self, name: str) -> bool:
        """Whether the program is there and all of its processes run or start."""
        processes = self.of(name)
        return bool(processes) and all(process.state in UP for process in processes)


class _Put:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.done = False
        self.error: Exception | None = None


class Supervisor:
    """The supervisord of the registry whose run folder is `run`. It need not run: the first program starts it, and
    it ends with the last one. All methods raise OSError where it does not answer."""

    def __init__(self, run: Path) -> None:
        self.home = Home(run)
        self._look = Look(float("-inf"), alive=False, programs={})
        self._changed = float("-inf")
        self._looking = Lock()
        self._putting = Lock()
        self._waiting: deque[_Put] = deque()

    def look(self, age: float = 0.0) -> Look:
        """How all programs are; what was seen in the last `age` seconds is good enough, unless something was asked for
        since then."""
        since = max(time.monotonic() - age, self._changed)
        with self._looking:
            if self._look.moment < since:
                self._look = self._ask()
            return self._look

    def forget(self) -> None:
        """Makes the next look, by anyone, a new one."""
        self._changed = time.monotonic()

    def runs(self, program: Program) -> bool:
        """Whether exactly this program runs, by its files and by what supervisord said lately."""
        return self.look(LATELY).is_up(program.name) and not self.home.changed(program)

    def put(self, program: Program) -> None:
        """Starts the program, of which nothing may run, and supervisord where none runs. Returns when it was started,
        not when it is ready. Raises Unstartable."""
        mine = _Put(program)
        self._waiting.append(mine)
        with self._putting:
            if not mine.done:
                self._put([self._waiting.popleft() for _ in range(len(self._waiting))])
        if mine.error:
            raise mine.error

    def halt(self, name: str, patience: float) -> None:
        """Ends the program's processes and waits for their end; supervisord kills what does not end in time. Raises
        Unstartable where even that is not done `patience` seconds later."""
        deadline, age = time.monotonic() + patience, LATELY
        while busy := [process for process in self.look(age).of(name) if process.state in _BUSY]:
            if time.monotonic() > deadline:
                raise Unstartable(f"the process {busy[0].pid} does not end")
            wanted = [process for process in busy if process.state != STOPPING]
            if wanted:
                self._request(Call("stopProcess", (f"{name}:{process.name}", False)) for process in wanted)
            time.sleep(_PAUSE)
            age = _PAUSE

    def remove(self, name: str, patience: float) -> None:
        """Halts the program and forgets it, but for its logs; supervisord ends with its last program."""
        self.halt(name, patience)
        if name not in self.home.names() and not self.look(LATELY).of(name):
            return
        with self.home.locked():
            self._request([Call("removeProcessGroup", (name,))])
            self.home.erase(name)
            if not self.home.names():
                self.home.shut_down()
            self.forget()

    def _ask(self) -> Look:
        moment = time.monotonic()
        try:
            (answer,) = call(self.home.folder, [Call("getAllProcessInfo")])
        except Down:
            return Look(moment, alive=False, programs={})
        programs: dict[str, list[Process]] = {}
        for info in () if isinstance(answer, Fault) else answer:
            process = Process(info["name"], info["state"], info["pid"], info["exitstatus"])
            programs.setdefault(info["group"], []).append(process)
        return Look(moment, alive=True, programs=programs)

    def _request(self, calls: Iterable[Call]) -> None:
        """Asks for something that may be so already. Raises Unstartable."""
        try:
            answers = call(self.home.folder, list(calls))
        except Down:
            return
        self.forget()
        for answer in answers:
            if isinstance(answer, Fault) and answer.code not in (BAD_NAME, NOT_RUNNING):
                raise Unstartable(f"supervisord refuses: {answer.text}")

    def _put(self, together: Sequence[_Put]) -> None:
        """Programs of the same name come one after the other by themselves: nobody puts one twice at once."""
        programs = {put.program.name: put.program for put in together}
        try:
            with self.home.locked():
                errors = self._start(programs)
        except (OSError, Unstartable, Down) as error:
            errors = dict.fromkeys(programs, error if not isinstance(error, Down) else Unstartable(_GONE))
        self.forget()
        for put in together:
            put.error = errors.get(put.program.name)
            put.done = True

    def _start(self, programs: Mapping[str, Program]) -> dict[str, Exception]:
        look = self.look()
        if look.alive:
            self._bring_in(programs, look)
        else:
            self.home.start(programs)
        calls = [
            (name, Call("startProcess", (f"{name}:{name}_{number}", False)))
            for name, program in programs.items()
            for number in range(program.processes)
        ]
        answers = call(self.home.folder, [each for _, each in calls])
        return {
            name: Unstartable(f"supervisord refuses: {answer.text}")
            for (name, _), answer in zip(calls, answers, strict=True)
            if isinstance(answer, Fault) and answer.code != ALREADY_STARTED
        }

    def _bring_in(self, programs: Mapping[str, Program], look: Look) -> None:
        """Makes a running supervisord know `programs`. It reads its files again only where that says anything new."""
        new = [
            name for name, program in programs.items() if not look.of(name) or self.home.conf(name) != program.conf()
        ]
        for program in programs.values():
            self.home.write(program)
        if not new:
            return
        forget = [Call("removeProcessGroup", (name,)) for name in new if look.of(name)]
        learn = [Call("addProcessGroup", (name,)) for name in new]
        reload, *_ = call(self.home.folder, [Call("reloadConfig"), *forget, *learn])
        if isinstance(reload, Fault):
            raise Unstartable(f"supervisord cannot read its program files: {reload.text}")


_GONE = "supervisord ended while it was spoken to: apply again"
