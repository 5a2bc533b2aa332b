"""What a daemon does beside its loop: stands for election, follows signals, gives signs of life, and says how it is to
systemd and to who asks by HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from reconciler.daemon.leader import Election, Leader
from reconciler.daemon.lifetimes import Lifetimes
from reconciler.daemon.pulse import Heartbeat, Pulse
from reconciler.daemon.signals import Signals
from reconciler.daemon.systemd import ServiceManager
from reconciler.model.daemon import CycleReport, SyncStatus, Trigger, Verdict, Why

if TYPE_CHECKING:  # without -listen nobody needs a listener
    from reconciler.daemon.http import Request, Response, Routes

_FIRST_SIGN = 60.0
"""Seconds within which the loop has to begin."""


class Turning(Protocol):
    """The loop: daemon/loop.py."""

    def tell(self, trigger: Trigger) -> None: ...

    def stop(self) -> None: ...


class Service:
    """`environment` is that of the process, in which systemd says how it is to be told."""

    def __init__(self, election: Election, lifetimes: Lifetimes, environment: Mapping[str, str]) -> None:
        self._manager = ServiceManager(environment)
        self._pulse = Pulse(_FIRST_SIGN)
        self._lifetimes = lifetimes
        self._leader = Leader(election, self._changed)
        self._loop: Turning | None = None
        self._taken_over: Callable[[], None] = lambda: None
        self._begun = False
        self._looked = False
        self._status = "starts"
        self.leads = self._leader.leads
        self.expect = self._pulse.expect

    @contextmanager
    def around(self, loop: Turning, taken_over: Callable[[], None] = lambda: None) -> Iterator[None]:
        """To be called by the main thread, around `loop.run`. `taken_over` is called when this daemon comes to lead
        after another one. Raises Invalid where another daemon excludes this one."""
        self._loop, self._taken_over = loop, taken_over
        signals = Signals(self._lifetimes.shutdown, self._end, self._reload)
        signals.install()
        heartbeat = Heartbeat(self._pulse, self._manager.alive, self._manager.watchdog)
        self._leader.start()
        self._begun = True  # from here on, a cycle at the start is not under way anyway
        heartbeat.start()
        self._manager.ready(self._words())
        try:
            yield
        finally:
            self._manager.stopping()
            heartbeat.stop()
            self._leader.stop()
            signals.done()

    def heard(self, report: CycleReport) -> None:
        """Satisfies ports.Listen."""
        self._looked = self._looked or report.after.verdict is not Verdict.BROKEN
        self._status = _summary(report.after)
        if any(trigger.why is Why.RELOAD for trigger in report.triggers):
            self._manager.ready(self._words())
        else:
            self._manager.status(self._words())

    def routes(self) -> Routes:
        """`/healthz`: the loop makes its turns. `/readyz`: it has looked once, or stands by to take over."""
        from reconciler.daemon.http import Route

        return {("GET", "/healthz"): Route(self._health), ("GET", "/readyz"): Route(self._readiness)}

    def _health(self, request: Request) -> Response:
        from reconciler.daemon.http import Response

        if self._pulse.alive():
            return Response(200, b"ok\n")
        return Response(503, b"The loop of the daemon hangs.\n")

    def _readiness(self, request: Request) -> Response:
        from reconciler.daemon.http import Response

        ready = self._looked or bool(self._leader.rival)
        return Response(200 if ready else 503, f"{self._words()}\n".encode())

    def _words(self) -> str:
        if self._leader.leads():
            return self._status
        return self._leader.trouble or f"stands by: {self._leader.rival or 'nobody'} leads"

    def _changed(self, leads: bool) -> None:
        if self._loop and leads and self._begun:
            self._loop.tell(Trigger(Why.START))
            self._taken_over()
        self._manager.status(self._words())

    def _end(self) -> None:
        self._manager.stopping()
        if self._loop:
            self._loop.stop()

    def _reload(self) -> None:
        self._manager.reloading()
        if self._loop:
            self._loop.tell(Trigger(Why.RELOAD))
        if not self.leads():  # no cycle comes that would answer
            self._manager.ready(self._words())


def _summary(status: SyncStatus) -> str:
    """One line for people, without anything that a user wrote."""
    counts = ((status.failed, "failed"), (status.drifted, "drifted"), (status.suspended, "suspended"))
    told = [f"{count} {word}" for count, word in counts if count]
    return ", ".join([f"{status.verdict}: {status.recorded} recorded", *told])
