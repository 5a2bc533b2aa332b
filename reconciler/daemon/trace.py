"""Spans of what a cycle does, sent by OpenTelemetry where the environment asks for it (OTEL_...).

Without that nothing of OpenTelemetry is loaded, and a span costs one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from time import time_ns
from typing import Any, Protocol

from reconciler.daemon.act import Audience
from reconciler.daemon.loop import Cycles
from reconciler.engine.executor import Stop
from reconciler.model.daemon import CycleReport, Trigger
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.event import Event, StepFinished, StepStarted
from reconciler.model.plan import Plan
from reconciler.ports import Emit
from reconciler.render.escape import escape

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_LONGEST_END = 3.0


class Tracer(Protocol):
    """Makes spans. Safe to use from several threads."""

    def span(self, name: str, **facts: str | int) -> AbstractContextManager[None]:
        """A span around what is done in it, below the one of this thread; an exception marks it as failed."""

    def on_event(self, event: Event) -> None:
        """Makes a span of each step of a run, below the one of this thread."""

    def close(self) -> None:
        """Sends what still waits, within seconds."""


_NOTHING: AbstractContextManager[None] = nullcontext()


class NoTracer:
    """Traces nothing."""

    def span(self, name: str, **facts: str | int) -> AbstractContextManager[None]:
        return _NOTHING

    def on_event(self, event: Event) -> None:
        return

    def close(self) -> None:
        return


def open_tracer(environment: Mapping[str, str], version: str) -> Tracer:
    """A tracer as the OTEL variables of `environment`, the process's own, have it: one that sends where an endpoint for
    OTLP over HTTP is named. Raises Invalid where that cannot be done."""
    if not _is_wanted(environment):
        return NoTracer()
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise Invalid(
            Diagnostic(
                "tracing",
                f"Traces cannot be sent by {protocol}",
                hint=f"Set {_PROTOCOLS[1]}={_PROTOCOL} and the receiver's port for it, which is mostly 4318.",
            )
        )
    try:
        return _SdkTracer(version)
    except ImportError as error:
        hint = "Install ureg[tracing], or set OTEL_SDK_DISABLED=true."
        raise Invalid(Diagnostic("tracing", "OpenTelemetry is not installed", detail=str(error), hint=hint)) from error


def _is_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporters = environment.get("OTEL_TRACES_EXPORTER", "otlp")
    return exporters == "otlp" and any(environment.get(name) for name in _ENDPOINTS)


class _SdkTracer:
    def __init__(self, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import StatusCode

        named = Resource({"service.name": "ureg", "service.version": version})
        resource = Resource.create().merge(named).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ureg", version)
        self._error = StatusCode.ERROR
        self._steps: dict[int, tuple[Any, int]] = {}

    @contextmanager
    def span(self, name: str, **facts: str | int) -> Iterator[None]:
        with self._tracer.start_as_current_span(name, attributes=_attributes(facts)):
            yield

    def on_event(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            step = event.step
            facts = {"address": step.address, "verb": step.verb, "from": step.source, "to": step.target}
            began = time_ns()
            span = self._tracer.start_span(f"driver {step.verb}", attributes=_attributes(facts), start_time=began)
            self._steps[step.number] = span, began
        elif isinstance(event, StepFinished) and event.step.number in self._steps:
            span, began = self._steps.pop(event.step.number)
            if event.error:
                span.set_status(self._error, escape(event.error))
            # It is told of when it is recorded, which may be later than it ended.
            span.end(began + int(event.elapsed * 1e9))

    def close(self) -> None:
        # The SDK itself waits half a minute for a receiver that is not there.
        ending = Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(_LONGEST_END)


class TracedCycles:
    """Cycles with a span around each."""

    def __init__(self, cycles: Cycles, tracer: Tracer) -> None:
        self._cycles = cycles
        self._tracer = tracer
        self.due = cycles.due

    def cycle(self, triggers: tuple[Trigger, ...], stop: Stop) -> CycleReport:
        with self._tracer.span("reconcile", why=",".join(dict.fromkeys(trigger.why for trigger in triggers))):
            report = self._cycles.cycle(triggers, stop)
        self.due = self._cycles.due
        return report


def traced(audience: Audience, tracer: Tracer) -> Audience:
    """`audience`, with a span around each run and each of its steps."""

    @contextmanager
    def progress(plan: Plan) -> Iterator[Emit]:
        def emit(event: Event) -> None:
            tracer.on_event(event)
            tell(event)

        with tracer.span("apply", changes=len(plan.changes)), audience.progress(plan) as tell:
            yield emit

    return audience._replace(progress=progress)


def _attributes(facts: Mapping[str, str | int]) -> dict[str, str | int]:
    return {f"ureg.{name}": escape(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
