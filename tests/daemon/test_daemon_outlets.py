"""A real registry that is reconciled, and everything that hears of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from daemon.receiver import Receiver, receiving
from manifests import component
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from repository import Repository
from standardwebhooks import Webhook

from reconciler.bootstrap import open_registry, reopened
from reconciler.commands.locking import locking, new_run
from reconciler.daemon.act import Audience, Rules
from reconciler.daemon.http import Request
from reconciler.daemon.logs import Log
from reconciler.daemon.loop import Loop
from reconciler.daemon.notify.targets import PRIVATE_HOSTS, Around
from reconciler.daemon.outlets import Outlets, open_metrics, open_outlets
from reconciler.daemon.reconcile import Reconciler
from reconciler.daemon.trace import NoTracer, TracedCycles, Tracer, open_tracer, traced
from reconciler.drivers.secrets import Secrets
from reconciler.model.daemon import CycleReport, SyncMode, Trigger, Why
from reconciler.model.diagnostics import Invalid

SECRET = "whsec_" + "c2VjcmV0" * 4
SETTINGS = """\
watch:
  remindAfter: 24h
  notify:
    - webhook:
        url: {secretRef: env:HOOK_URL}
        secrets: [{secretRef: env:HOOK_SECRET}]
        insecure: true
        name: pager
    - command: {run: [sh, -c, 'cat >> "$1"; echo >> "$1"', sh, ../said], on: [refused]}
"""


class Daemon:
    """One that takes a trigger after the other, and all that it told."""

    def __init__(self, repository: Repository, receiver: Receiver, tracer: Tracer) -> None:
        environment = {
            **repository.environment,
            "HOOK_URL": receiver.url,
            "HOOK_SECRET": SECRET,
            PRIVATE_HOSTS: "127.0.0.1",
        }
        self.registry = registry = open_registry(repository.root, {}, environment)
        secrets = Secrets(registry.root, environment)
        self.lines: list[str] = []
        log = Log(self.lines.append, registry.clock.now, json=True, redact=secrets.redact)
        around = Around("shop", registry.root, environment, secrets.read, registry.clock.now)
        metrics = open_metrics(registry.settings.watch, "1.2.3")
        self.outlets: Outlets = open_outlets(registry.settings.watch, registry.store.notes, around, log, metrics)
        rules = Rules(
            "the working tree", "me", True, SyncMode.APPLY, None, (),
            lambda operation: locking(registry, operation, True, 0), new_run,
        )  # fmt: skip
        audience = Audience(
            lambda triggers: None,
            lambda registry, plan: None,
            lambda diagnostics: None,
            lambda plan: nullcontext(lambda event: None),
        )
        reconciler = Reconciler(
            registry, lambda commit: reopened(registry), rules, traced(audience, tracer), follows_commits=False
        )
        self.cycles = TracedCycles(reconciler, tracer)
        self.loop = Loop(self.cycles, registry.clock, self.outlets.listeners)
        self.outlets.show(self.loop.waiting, lambda: True)

    def turn(self, why: Why = Why.FILES) -> CycleReport:
        report = self.cycles.cycle((Trigger(why, "test"),), lambda: False)
        for listen in self.outlets.listeners:
            listen(report)
        return report

    def close(self) -> None:
        self.outlets.close(10)
        self.registry.store.close()

    def scrape(self) -> str:
        route = self.outlets.routes["GET", "/metrics"]
        return route.answer(Request("GET", "/metrics", "", {}, b"", "")).body.decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def titles(receiver: Receiver) -> list[str]:
    events: list[dict[str, Any]] = [Webhook(SECRET).verify(got.body, got.headers) for got in receiver.got]
    return [event["data"]["title"] for event in events]


def test_a_day_in_the_life_of_a_registry(repository: Repository, receiver: Receiver, tmp_path: Path) -> None:
    repository.write("ureg.yaml", SETTINGS)
    repository.write("registry.d/a.yaml", component("a"))
    first = repository.commit()
    daemon = Daemon(repository, receiver, NoTracer())
    daemon.turn(Why.START)
    daemon.turn(Why.INTERVAL)
    repository.write("registry.d/a.yaml", "kind: [")
    bad = repository.commit()
    daemon.turn()
    daemon.turn(Why.INTERVAL)
    daemon.close()

    # Another process goes on.
    daemon = Daemon(repository, receiver, NoTracer())
    daemon.turn(Why.START)
    repository.write("registry.d/a.yaml", component("a", owner="you"))
    good = repository.commit()
    daemon.turn()
    daemon.close()

    assert titles(receiver) == [
        f"Commit {first[:12]} is applied",
        f"Commit {bad[:12]} is refused: it has errors",
        "The registry has no errors any more",
        f"Commit {good[:12]} is applied",
    ]
    refused = json.loads(receiver.got[1].body)["data"]
    assert refused["commit"] == bad
    assert "registry.d/a.yaml:1:" in refused["text"]
    assert [json.loads(line)["type"] for line in (tmp_path / "said").read_text().splitlines()] == [
        "ureg.notice.refused"
    ]
    assert 'ureg_changes_applied_total{action="update"} 1.0' in daemon.scrape()
    assert 'ureg_reconcile_verdict{verdict="synced"} 1.0' in daemon.scrape()
    logged = [json.loads(line) for line in daemon.lines]
    assert logged[-1]["message"] == "notice delivered"
    assert "hush" not in "".join(daemon.lines)


def test_a_cycle_is_traced(repository: Repository, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("registry.d/a.yaml", component("a"))
    repository.commit()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracer = open_tracer(environment, "1.2.3")
    daemon = Daemon(repository, receiver, tracer)
    daemon.turn(Why.START)
    daemon.close()
    tracer.close()
    (resource,) = ExportTraceServiceRequest.FromString(receiver.got[0].body).resource_spans
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    assert set(spans) == {"reconcile", "apply", "driver add", "driver enable"}
    assert spans["apply"].parent_span_id == spans["reconcile"].span_id
    assert spans["driver enable"].parent_span_id == spans["apply"].span_id


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "reconciler.daemon.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Invalid) as caught:
        open_metrics({}, "1.2.3")
    assert caught.value.diagnostics[0].hint == "Install ureg[daemon]."
    with pytest.raises(Invalid) as caught:
        open_tracer({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "1.2.3")
    assert caught.value.diagnostics[0].hint == "Install ureg[tracing], or set OTEL_SDK_DISABLED=true."
