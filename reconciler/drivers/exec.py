"""The driver for what nobody has written a driver for: a command that the settings permit carries out the verbs.

A kind with the driver `exec:NAME` is in the hands of the command NAME of the settings (`drivers.exec.commands`). It is
told of a transition on its standard input and answers on its standard output, as `protocol` has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from reconciler.drivers import protocol
from reconciler.drivers.exec_run import Ended, Program, lines, run
from reconciler.drivers.protocol import Failed
from reconciler.drivers.secrets import Unresolved, mark
from reconciler.drivers.site import NotPermitted, Site
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.model.units import duration
from reconciler.ports import Driver

_TIMEOUT = "1m"
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR")
"""What a command gets of ureg's own environment; all else could be a secret."""


class ExecDriver:
    acts = True
    batches = False

    def __init__(self, site: Site, options: Mapping[str, Any]) -> None:
        self.name = f"exec:{site.part}"
        self._site = site
        self._options = options
        self._answers = options.get("answers", ())
        self._timeout = duration(options.get("timeout", _TIMEOUT))

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        if "observe" not in self._answers or not records:
            return ()
        try:
            answer = self._ask(self._options["argv"], protocol.to_look("observe", records), self._timeout)
            return protocol.observations(answer, {record.address: record for record in records})
        except Failed as error:
            raise OSError(str(error)) from None

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._execute(transition)) for transition in transitions]

    def health(self, record: Record) -> Health:
        if "health" not in self._answers:
            return Health(healthy=True, message=f"{self.name} does not tell")
        try:
            return protocol.health_of(
                self._ask(self._options["argv"], protocol.to_look("health", [record]), self._timeout)
            )
        except Failed as error:
            return Health(healthy=False, message=str(error))

    def logs(self, record: Record, lines: int, follow: bool) -> Iterator[str]:
        if "logs" not in self._answers:
            return
        told = {**protocol.to_look("logs", [record]), "lines": lines, "follow": follow}
        try:
            yield from self._follow(told) if follow else self._latest(told, lines)
        except OSError as error:
            yield _unstartable(self._options["argv"], error)
        except Failed as error:
            yield str(error)

    def _execute(self, transition: Transition) -> str:
        argv = self._options.get("verbs", {}).get(transition.verb, self._options["argv"])
        limit = min(self._timeout, transition.timeout or self._timeout)
        try:
            self._ask(argv, protocol.to_execute(transition, self._site.secrets), limit)
        except (Failed, Unresolved) as error:
            return str(error)
        return ""

    def _ask(self, argv: Sequence[str], told: Mapping[str, Any], limit: float) -> dict[str, Any]:
        """The answer of a command that succeeded. Raises Failed."""
        ended = self._run(argv, told, limit)
        if ended.code:
            raise Failed(f"{argv[0]} ended with {_exit(ended.code)}: {_complaint(ended)}")
        try:
            answer = protocol.read_answer(ended.output)
            error = protocol.error_of(answer)
        except Failed as failure:
            raise Failed(f"{argv[0]}: {failure}") from None
        if error:
            raise Failed(error)
        return answer

    def _run(self, argv: Sequence[str], told: Mapping[str, Any], limit: float) -> Ended:
        """A command that ended in time. Raises Failed."""
        try:
            ended = run(self._program(argv), orjson.dumps(told), limit, protocol.MOST_BYTES)
        except OSError as error:
            raise Failed(_unstartable(argv, error)) from None
        if max(len(ended.output), len(ended.errors)) > protocol.MOST_BYTES:
            raise Failed(f"{argv[0]} was ended: it said more than {protocol.MOST_BYTES // 1024} KiB")
        if ended.code is None:
            raise Failed(f"{argv[0]} did not end within {limit:g} s, and was ended")
        return ended

    def _program(self, argv: Sequence[str]) -> Program:
        """Raises Failed for a secret of the settings that cannot be had."""
        own = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
        try:
            given = self._site.secrets.fill(mark(dict(self._options.get("environment", {}))))
        except Unresolved as error:
            raise Failed(f"drivers.exec.commands.{self._site.part}.environment: {error}") from None
        return Program(argv, self._site.root, {**own, **given})

    def _latest(self, told: Mapping[str, Any], count: int) -> Sequence[str]:
        ended = self._run(self._options["argv"], told, self._timeout)
        if ended.code:
            raise Failed(f"{self._options['argv'][0]} ended with {_exit(ended.code)}: {_complaint(ended)}")
        return ended.output.decode(errors="replace").splitlines()[-count:] if count else ()

    def _follow(self, told: Mapping[str, Any]) -> Iterator[str]:
        program = self._program(self._options["argv"])
        for line in lines(program, orjson.dumps(told), protocol.MOST_BYTES):
            yield line.decode(errors="replace").rstrip("\n")


def open_driver(site: Site) -> Driver:
    commands = site.options.get("commands", {})
    if site.part not in commands:
        example = f"drivers: {{exec: {{commands: {{{site.part or 'NAME'}: {{argv: [/path/to/program]}}}}}}}}"
        raise NotPermitted("exec", site.part, "command", commands, example)
    return ExecDriver(site, commands[site.part])


def _unstartable(argv: Sequence[str], error: OSError) -> str:
    return f"{argv[0]} cannot be started: {error.strerror or error}"


def _exit(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _complaint(ended: Ended) -> str:
    """What a command that failed has to say: the error in its answer, else the last line of its standard error."""
    try:
        told = protocol.error_of(protocol.read_answer(ended.output))
    except Failed:
        told = ""
    lines = ended.errors.decode(errors="replace").strip().splitlines()
    return told or protocol.first_line(lines[-1].encode() if lines else b"")
