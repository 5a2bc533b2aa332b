"""Spans as a receiver of OTLP gets them, and that nothing is paid for where nobody wants them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from daemon.receiver import Receiver, receiving
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from reconciler.daemon.trace import NoTracer, open_tracer
from reconciler.model.diagnostics import Invalid
from reconciler.model.event import StepFinished, StepStarted
from reconciler.model.plan import Step

STEP = Step(1, "service/web", "start", "installed", "running", ())


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server


def environment() -> dict[str, str]:
    return dict(os.environ)


def spans(receiver: Receiver) -> dict[str, Span]:
    found = {}
    for got in receiver.got:
        assert got.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(got.body).resource_spans:
            for scope in resource.scope_spans:
                found.update({span.name: span for span in scope.spans})
    return found


def attributes(span: Span) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in span.attributes}


def test_a_cycle_is_one_trace(receiver: Receiver) -> None:
    tracer = open_tracer(environment(), "1.2.3")
    with tracer.span("reconcile", commit="c0ffee"):
        with tracer.span("compile"):
            pass
        with tracer.span("apply"):
            tracer.on_event(StepStarted(STEP))
            tracer.on_event(StepFinished(STEP, "", 0.5, True))
    tracer.close()
    found = spans(receiver)
    assert set(found) == {"reconcile", "compile", "apply", "driver start"}
    assert len({span.trace_id for span in found.values()}) == 1
    parents = {name: span.parent_span_id for name, span in found.items()}
    assert parents["compile"] == parents["apply"] == found["reconcile"].span_id
    assert parents["driver start"] == found["apply"].span_id
    assert attributes(found["reconcile"]) == {"ureg.commit": "c0ffee"}
    assert attributes(found["driver start"]) == {
        "ureg.address": "service/web", "ureg.verb": "start", "ureg.from": "installed", "ureg.to": "running",
    }  # fmt: skip
    took = found["driver start"].end_time_unix_nano - found["driver start"].start_time_unix_nano
    assert took == 500_000_000


def test_a_failure_is_one(receiver: Receiver) -> None:
    tracer = open_tracer(environment(), "1.2.3")
    tracer.on_event(StepStarted(STEP))
    tracer.on_event(StepFinished(STEP, "no \x1b[2Jport", 0.1, True))
    with pytest.raises(ZeroDivisionError), tracer.span("plan"):
        _ = 1 / 0
    tracer.close()
    found = spans(receiver)
    assert found["driver start"].status.code == found["plan"].status.code == 2
    assert found["driver start"].status.message == "no \\x1b[2Jport"


def test_the_environment_has_its_say(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=discovery")
    tracer = open_tracer(environment(), "1.2.3")
    with tracer.span("plan"):
        pass
    tracer.close()
    (resource,) = ExportTraceServiceRequest.FromString(receiver.got[0].body).resource_spans
    told = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
    assert (told["service.name"], told["service.version"], told["team"]) == ("shop", "1.2.3", "discovery")


def test_a_sampler_that_wants_nothing_gets_nothing(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    tracer = open_tracer(environment(), "1.2.3")
    with tracer.span("apply"):
        tracer.on_event(StepStarted(STEP))
        tracer.on_event(StepFinished(STEP, "no", 0.1, True))
    tracer.close()
    assert receiver.got == []


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_off_unless_it_is_wanted(variables: dict[str, str]) -> None:
    assert isinstance(open_tracer(variables, "1"), NoTracer)


def test_a_protocol_that_is_not_spoken_is_said() -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(Invalid) as caught:
        open_tracer(asked, "1")
    assert caught.value.diagnostics[0].summary == "Traces cannot be sent by grpc"


def test_a_receiver_that_is_not_there_holds_nobody_up(receiver: Receiver) -> None:
    receiver.answers = [503]
    tracer = open_tracer(environment(), "1")
    with tracer.span("plan"):
        pass
    begun = time.monotonic()
    tracer.close()
    assert time.monotonic() - begun < 6
    assert receiver.got


def test_off_costs_next_to_nothing() -> None:
    tracer = open_tracer({}, "1")
    begun = time.perf_counter()
    for _ in range(10_000):
        with tracer.span("driver start", address="service/web"):
            tracer.on_event(StepStarted(STEP))
    assert time.perf_counter() - begun < 0.2


def test_off_loads_nothing_of_opentelemetry() -> None:
    script = (
        "import sys; from reconciler.daemon.trace import open_tracer; open_tracer({}, '1').close();"
        "print(*sorted(name for name in sys.modules if name.startswith(('opentelemetry', 'google', 'requests'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
