"""Stands between a driver and the rest of the program: no text that a driver gives, and no exception, gets past with a
secret in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciler.drivers.secrets import Secrets
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record, Seen
from reconciler.ports import Driver


class DriverFault(Exception):
    """What a driver raised, told without the secrets in it."""


class GuardedDriver:
    """`driver`, with every secret that `secrets` gave out taken out of what it says."""

    def __init__(self, driver: Driver, secrets: Secrets) -> None:
        self._driver = driver
        self._clean = secrets.redact
        self.name = driver.name
        self.acts = driver.acts
        self.batches = driver.batches

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        with self._guard():
            return [self._told(seen) for seen in self._driver.observe(records)]

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        with self._guard():
            outcomes = self._driver.execute(transitions)
            return [Outcome(*map(self._clean, told)) if told.error else told for told in outcomes]

    def health(self, record: Record) -> Health:
        with self._guard():
            health = self._driver.health(record)
            return health._replace(message=self._clean(health.message))

    def logs(self, record: Record, lines: int, follow: bool) -> Iterator[str]:
        with self._guard():
            yield from map(self._clean, self._driver.logs(record, lines, follow))

    def _told(self, seen: Observation) -> Observation:
        clean = self._clean
        pieces = tuple(Seen(piece.field, clean(piece.recorded), clean(piece.observed)) for piece in seen.seen)
        return seen._replace(state=clean(seen.state), drift=clean(seen.drift), seen=pieces)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:
            if isinstance(error, Exception) and self._is_clean(error):
                raise
            text = self._clean(f"{type(error).__name__}: {error}")
            # An OSError stays one: it says that the world could not be looked at.
            fault = OSError(text) if isinstance(error, OSError) else DriverFault(text)
            raise fault.with_traceback(error.__traceback__) from None

    def _is_clean(self, error: Exception) -> bool:
        """Whether neither the exception nor what led to it tells a secret."""
        from traceback import format_exception

        told = "".join(format_exception(error))
        return self._clean(told) == told
