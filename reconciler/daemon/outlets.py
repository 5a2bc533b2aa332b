"""Everything that hears of the daemon's cycles, put together: the log, the metrics, the notices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.daemon.herald import Herald
from reconciler.daemon.http import Route, Routes
from reconciler.daemon.logs import Log
from reconciler.daemon.notify.courier import Attempt, Courier
from reconciler.daemon.notify.targets import Around, open_couriers
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.units import duration
from reconciler.ports import Listen, Notes

if TYPE_CHECKING:
    from reconciler.daemon.metrics import Metrics


class Outlets(NamedTuple):
    """`listeners` are told of each cycle. `metrics` is None where nobody can ask for them."""

    listeners: Sequence[Listen]
    couriers: Sequence[Courier]
    metrics: Metrics | None

    @property
    def routes(self) -> Routes:
        """What the listener serves of them."""
        return {("GET", "/metrics"): Route(self.metrics.answer)} if self.metrics else {}

    def looked(self, seconds: float, well: bool) -> None:
        """Takes how long the source was asked for news, and whether the answer came."""
        if self.metrics:
            self.metrics.fetched(seconds, well)

    def show(self, queue: Callable[[], int], leads: Callable[[], bool]) -> None:
        """Has the metrics show what waits and who leads; `queue` tells how many triggers wait."""
        if self.metrics:
            couriers = self.couriers
            targets = [courier.target for courier in couriers]
            self.metrics.watch(queue, lambda: sum(courier.waiting() for courier in couriers), leads, targets)

    def close(self, timeout: float) -> None:
        """Sends the notices that still wait, in at most `timeout` seconds."""
        deadline = monotonic() + timeout
        for courier in self.couriers:
            courier.hurry()
        for courier in self.couriers:
            courier.close(max(deadline - monotonic(), 0))


def open_outlets(watch: Mapping[str, Any], notes: Notes, around: Around, log: Log, metrics: Metrics | None) -> Outlets:
    """From the setting `watch`, which is sound by the schema. Raises Invalid where a notice could not be sent."""

    def tell(attempt: Attempt) -> None:
        log.attempted(attempt)
        if metrics:
            metrics.attempted(attempt)

    couriers = open_couriers(watch.get("notify", ()), around, tell)
    remind_after = duration(watch["remindAfter"]) if "remindAfter" in watch else 0.0
    herald = Herald(notes, couriers, around.now, remind_after)
    return Outlets([log, *([metrics] if metrics else []), herald], couriers, metrics)


def open_metrics(watch: Mapping[str, Any], version: str) -> Metrics:
    """The metrics that the setting `watch` asks for. Raises Invalid where they cannot be had."""
    try:
        from reconciler.daemon.metrics import Metrics
    except ImportError as error:
        hint = "Install ureg[daemon]."
        raise Invalid(Diagnostic("metrics", "The metrics need prometheus-client", str(error), hint)) from error
    return Metrics(version, watch.get("metrics", {}).get("perComponent", False))
