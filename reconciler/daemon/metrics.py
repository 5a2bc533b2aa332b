"""What Prometheus is told: how the registry is, and what the daemon does, under names that the OpenMetrics rules want.

Labels are kinds, actions and other short lists, so that the number of series does not follow the registry's size. One
gauge names components, and only where the settings ask for it.
"""

from __future__ import annotations

import platform
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from reconciler.daemon.http import Request, Response
from reconciler.daemon.notices import FLAPPING
from reconciler.daemon.notify.courier import Attempt, Result
from reconciler.daemon.times import moment
from reconciler.model.address import Address, parse_address
from reconciler.model.change import Action
from reconciler.model.daemon import ComponentStatus, ConditionType, CycleReport, SyncMode, SyncStatus, Verdict, Why

_CYCLE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_FETCH_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ACTIONS = [action for action in Action if action is not Action.NO_OP]


class Metrics:
    """Listens to the reports of the loop. Safe to use from several threads."""

    def __init__(self, version: str, per_component: bool = False) -> None:
        # Each counter would bring a second series that says when the process began.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry(auto_describe=True)
        self._status = _Status(registry, per_component)
        self._cycles = Histogram(
            "ureg_reconcile_duration_seconds", "Seconds that a cycle took.", ["verdict"],
            buckets=_CYCLE_BUCKETS, registry=registry,
        )  # fmt: skip
        self._applied = Counter("ureg_changes_applied", "Changes carried out.", ["action"], registry=registry)
        self._failures = Counter("ureg_component_failures", "Components that failed.", ["kind"], registry=registry)
        self._heals = Counter(
            "ureg_components_healed", "Components whose drift was mended.", ["kind"], registry=registry
        )
        self._triggers = Counter("ureg_triggers", "Reasons to look again.", ["why"], registry=registry)
        self._fetches = Histogram(
            "ureg_source_fetch_duration_seconds", "Seconds that asking the source for news took.", ["result"],
            buckets=_FETCH_BUCKETS, registry=registry,
        )  # fmt: skip
        self._deliveries = Counter(
            "ureg_notice_deliveries", "Attempts to deliver a notice.", ["target", "result"], registry=registry
        )
        self._queue = Gauge("ureg_queue_length", "Triggers that wait for the next cycle.", registry=registry)
        self._waiting = Gauge("ureg_notices_waiting", "Notices that wait to be delivered.", registry=registry)
        self._leader = Gauge("ureg_leader", "1 where this process leads, 0 where it stands by.", registry=registry)
        Info("ureg_build", "What runs here.", registry=registry).info(
            {"version": version, "python": platform.python_version()}
        )
        ProcessCollector(registry=registry)
        self._begin()

    def _begin(self) -> None:
        """Each series of a known list is there from the start: a rate over one that appears later misses its first
        step."""
        for action in _ACTIONS:
            self._applied.labels(action)
        for why in Why:
            self._triggers.labels(why)
        for verdict in Verdict:
            self._cycles.labels(verdict)
        for result in ("ok", "error"):
            self._fetches.labels(result)

    def __call__(self, report: CycleReport) -> None:
        self._cycles.labels(report.after.verdict).observe(report.elapsed)
        for trigger in report.triggers:
            self._triggers.labels(trigger.why).inc()
        for action, count in report.applied.items():
            self._applied.labels(action).inc(count)
        for kind, count in _by_kind(report.summary.failed if report.summary else ()).items():
            self._failures.labels(kind).inc(count)
        for kind, count in _by_kind(report.healed).items():
            self._heals.labels(kind).inc(count)
        self._status.show(report.after)

    def attempted(self, attempt: Attempt) -> None:
        """Takes what came of an attempt to deliver a notice."""
        self._deliveries.labels(attempt.target, attempt.result).inc()

    def fetched(self, seconds: float, well: bool) -> None:
        """Takes how long the source was asked for news, and whether the answer came."""
        self._fetches.labels("ok" if well else "error").observe(seconds)

    def watch(
        self, queue: Callable[[], int], waiting: Callable[[], int], leads: Callable[[], bool], targets: Iterable[str]
    ) -> None:
        """Asks at each scrape `queue` for the triggers and `waiting` for the notices that wait, and whether this
        process `leads`; `targets` are the names of those who get notices."""
        self._queue.set_function(queue)
        self._waiting.set_function(waiting)
        self._leader.set_function(leads)
        for target in targets:
            for result in Result:
                self._deliveries.labels(target, result)

    def answer(self, request: Request) -> Response:
        """The metrics, in the format that a scrape asks for."""
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(200, encode(self._registry), media_type)


class _Status:
    """The gauges of a status: they show the last one that there was."""

    def __init__(self, registry: CollectorRegistry, per_component: bool) -> None:
        self._verdict = Gauge(
            "ureg_reconcile_verdict", "1 for how the last cycle ended.", ["verdict"], registry=registry
        )
        self._mode = Gauge("ureg_mode", "1 for what the daemon may do.", ["mode"], registry=registry)
        self._last_run = _gauge(registry, "ureg_reconcile_last_timestamp_seconds", "When the last cycle began.")
        self._applied_at = _gauge(
            registry, "ureg_applied_timestamp_seconds", "When a commit was last brought about whole."
        )
        self._behind = _gauge(registry, "ureg_commit_pending", "1 where the newest commit is not applied whole.")
        self._trouble = _gauge(registry, "ureg_source_trouble", "1 while the source is in trouble.")
        self._recorded = _gauge(registry, "ureg_components", "Components that are recorded.")
        # Of these the status lists only those that something else is to be said of.
        self._suspended = _gauge(registry, "ureg_components_suspended", "Components that are left alone.")
        self._pending = Gauge("ureg_changes_pending", "Changes not applied.", ["action"], registry=registry)
        self._counts = {
            name: Gauge(f"ureg_components_{name}", text, ["kind"], registry=registry)
            for name, (text, _) in _COUNTED.items()
        }
        self._kinds: set[str] = set()
        self._conditions = per_component and Gauge(
            "ureg_component_condition", "1 while it holds.", ["address", "condition"], registry=registry
        )

    def show(self, status: SyncStatus) -> None:
        _one_of(self._verdict, Verdict, status.verdict)
        _one_of(self._mode, SyncMode, status.mode)
        for gauge, time in ((self._last_run, status.last_run), (self._applied_at, status.applied_at)):
            if time:
                gauge.set(moment(time).timestamp())
        self._behind.set(status.desired != status.applied)
        self._trouble.set(bool(status.trouble))
        self._recorded.set(status.recorded)
        self._suspended.set(status.suspended)
        for action in _ACTIONS:
            self._pending.labels(action).set(status.pending.get(action, 0))
        self._show_components(status.components)

    def _show_components(self, components: Iterable[ComponentStatus]) -> None:
        found = {name: _by_kind(c.address for c in components if is_so(c)) for name, (_, is_so) in _COUNTED.items()}
        # A kind stays once it was seen: a series that ends says nothing, and a zero says that all is well.
        self._kinds.update(*found.values())
        for name, by_kind in found.items():
            for kind in self._kinds:
                self._counts[name].labels(kind).set(by_kind[kind])
        if self._conditions:
            self._conditions.clear()
            for component in components:
                for condition in component.conditions:
                    if condition.status:
                        self._conditions.labels(component.address, condition.type).set(1)


def _is_flapping(component: ComponentStatus) -> bool:
    stalled = component.condition(ConditionType.STALLED)
    return stalled.status and stalled.reason == FLAPPING


_COUNTED: Mapping[str, tuple[str, Callable[[ComponentStatus], bool]]] = {
    "drifted": ("Components that drifted.", lambda c: c.holds(ConditionType.DRIFTED)),
    "failed": ("Components that failed and are tried again.", lambda c: c.failures > 0),
    "stalled": ("Components that nobody tries to mend now.", lambda c: c.holds(ConditionType.STALLED)),
    "flapping": ("Components that drift faster than they may be mended.", _is_flapping),
}


def _gauge(registry: CollectorRegistry, name: str, text: str) -> Gauge:
    return Gauge(name, text, registry=registry)


def _one_of(gauge: Gauge, names: Iterable[str], current: str) -> None:
    for name in names:
        gauge.labels(name).set(name == current)


def _by_kind(addresses: Iterable[Address]) -> Counts[str]:
    return Counts(parse_address(address).kind for address in addresses)
