"""The metrics as a real Prometheus sees them, and every query of the dashboard and of the alerts asked there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from daemon.receiver import until
from daemon.reports import component, report
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from reconciler.daemon.http import Listener, Request, Route
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.notify.courier import Attempt, Result
from reconciler.model.daemon import ConditionType, CycleReport, Notice, NoticeKind, Trigger, Verdict, Why
from reconciler.model.event import Summary

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/ureg.json").read_bytes())
PROMETHEUS = ROOT / "deploy/prometheus"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

BUSY = report(
    component("service/web", ConditionType.DRIFTED, failures=2),
    component("service/db", ConditionType.DRIFTED, ConditionType.STALLED, stalled="Flapping"),
    component("team:engine/duck", ConditionType.SUSPENDED, ConditionType.DRIFTED),
    summary=Summary(failed=("service/web",)),
    changes={"create": 3, "delete": 1},
    verdict=Verdict.FAILED,
    desired="b" * 40,
    trouble="origin cannot be reached",
    suspended=4,
    pending={"update": 2},
)._replace(triggers=(Trigger(Why.COMMIT), Trigger(Why.RETRY)), healed=("service/db",))

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def told(*reports: CycleReport, per_component: bool = False) -> Metrics:
    metrics = Metrics("1.2.3", per_component)
    for one in reports:
        metrics(one)
    return metrics


def samples(metrics: Metrics) -> Samples:
    """As a parser of OpenMetrics reads them: strictly."""
    answer = metrics.answer(Request("GET", "/metrics", "", {"accept": OPENMETRICS}, b"", "127.0.0.1"))
    assert answer.content_type.startswith("application/openmetrics-text")
    families = text_string_to_metric_families(answer.body.decode())  # type: ignore[no-untyped-call]
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def test_a_cycle_is_counted() -> None:
    metrics = told(report(), BUSY, BUSY)
    assert value(metrics, "ureg_reconcile_duration_seconds_count", verdict="failed") == 2
    assert value(metrics, "ureg_reconcile_duration_seconds_sum", verdict="synced") == 0.25
    assert value(metrics, "ureg_changes_applied_total", action="create") == 6
    assert value(metrics, "ureg_changes_applied_total", action="replace") == 0
    assert value(metrics, "ureg_component_failures_total", kind="service") == 2
    assert value(metrics, "ureg_components_healed_total", kind="service") == 2
    assert value(metrics, "ureg_triggers_total", why="commit") == 2
    assert value(metrics, "ureg_triggers_total", why="window") == 0


def test_the_last_status_is_shown() -> None:
    metrics = told(report(), BUSY)
    shown = {
        (name.removeprefix("ureg_"), *sorted(value for _, value in labels)): number
        for (name, labels), number in samples(metrics).items()
    }
    assert shown["reconcile_verdict", "failed"] == 1
    assert shown["reconcile_verdict", "synced"] == 0
    assert shown["mode", "apply"] == 1
    assert shown["components_drifted", "service"] == 2
    assert shown["components_failed", "service"] == 1
    assert shown["components_stalled", "service"] == 1
    assert shown["components_flapping", "service"] == 1
    assert shown["components_suspended",] == 4
    assert shown["components_stalled", "engine"] == 0
    assert shown["changes_pending", "update"] == 2
    assert shown["components",] == 3
    assert shown["commit_pending",] == 1
    assert shown["source_trouble",] == 1
    assert shown["reconcile_last_timestamp_seconds",] == 1795521600
    assert shown["build_info", "1.2.3", os.sys.version.split()[0]] == 1  # type: ignore[attr-defined]


def test_what_ended_is_a_zero_and_no_gap() -> None:
    metrics = told(BUSY, report())
    assert value(metrics, "ureg_components_drifted", kind="service") == 0
    assert value(metrics, "ureg_source_trouble") == 0


def test_no_series_names_a_component_unless_asked_for() -> None:
    assert "service/web" not in str(samples(told(BUSY)))
    asked = told(BUSY, per_component=True)
    assert value(asked, "ureg_component_condition", address="service/web", condition="Drifted") == 1
    assert value(asked, "ureg_component_condition", address="service/web", condition="Ready") is None
    asked(report())
    assert value(asked, "ureg_component_condition", address="service/web", condition="Drifted") is None


def test_the_number_of_series_does_not_follow_the_registry() -> None:
    few, many = (
        told(report(*(component(f"service/s{n}", ConditionType.DRIFTED) for n in range(count)))) for count in (1, 500)
    )
    assert len(samples(few)) == len(samples(many))


# A real Prometheus


class Prometheus:
    """A server of its own that scrapes `target` twice a second."""

    def __init__(self, folder: Path, target: str, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = self._start(folder, target, port)

    def _start(self, folder: Path, target: str, port: int) -> subprocess.Popen[bytes]:
        shutil.copy(PROMETHEUS / "ureg.rules.yaml", folder)
        scrape = [{"job_name": "ureg", "static_configs": [{"targets": [target]}]}]
        every = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
        settings = {"global": every, "rule_files": ["ureg.rules.yaml"], "scrape_configs": scrape}
        (folder / "prometheus.yml").write_text(json.dumps(settings))
        return subprocess.Popen(
            [
                binary("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, path: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}", timeout=5) as answer:
            return json.loads(answer.read())["data"]

    def query(self, expression: str) -> list[Any]:
        result: list[Any] = self.ask(f"query?query={quote(expression)}")["result"]
        return result

    def is_scraping(self) -> bool:
        try:
            return len(self.query("ureg_leader == 1 and up == 1")) == 1
        except OSError:
            return False


def binary(name: str) -> str:
    """Where a program is that .ci/check brings."""
    found = shutil.which(name)
    assert found, f"{name} is not there: .ci/check brings it"
    return found


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    made = told(report(), per_component=True)
    made.watch(lambda: 2, lambda: 1, lambda: True, ["pager"])
    return made


@pytest.fixture(scope="module")
def prometheus(metrics: Metrics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    listener = Listener("127.0.0.1", 0, {("GET", "/metrics"): Route(metrics.answer)}, lambda line: None)
    listener.start()
    with_port = Listener("127.0.0.1", 0, {}, lambda line: None)
    port = with_port.address[1]
    with_port.stop()
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{listener.address[1]}", port)
    try:
        until(server.is_scraping, 20)
        metrics(BUSY)
        metrics.fetched(0.2, True)
        metrics.attempted(Attempt("pager", Notice(NoticeKind.DRIFTED, "", "", "", "", ""), Result.DROPPED))
        # A rate needs samples from before and after what happened.
        time.sleep(1)
        yield server
    finally:
        server.process.terminate()
        server.process.wait(10)
        listener.stop()


def queries() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize(("title", "expression"), queries())
def test_every_query_of_the_dashboard_finds_something(prometheus: Prometheus, title: str, expression: str) -> None:
    asked = expression.replace("$job", "ureg").replace("$__rate_interval", "30s")
    assert "$" not in asked
    assert prometheus.query(asked)


def test_every_alert_is_asked_and_those_fire_that_should(prometheus: Prometheus) -> None:
    (group,) = prometheus.ask("rules")["groups"]
    assert {rule["name"]: rule["health"] for rule in group["rules"]} == dict.fromkeys(alerts(), "ok")
    firing = {rule["name"] for rule in group["rules"] if rule["alerts"]}
    assert firing == {
        "UregFailing", "UregDrift", "UregFlapping", "UregNotApplied", "UregSilent", "UregSourceTrouble",
        "UregNoticesDropped",
    }  # fmt: skip


def alerts() -> list[str]:
    (group,) = YAML(typ="safe").load(PROMETHEUS / "ureg.rules.yaml")["groups"]
    return [rule["alert"] for rule in group["rules"]]


def test_promtool_finds_nothing_wrong(metrics: Metrics) -> None:
    text = metrics.answer(Request("GET", "/metrics", "", {}, b"", "")).body
    tool = binary("promtool")
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    subprocess.run([tool, "check", "rules", "ureg.rules.yaml"], cwd=PROMETHEUS, check=True, capture_output=True)


def test_each_alert_has_a_test_and_passes_it() -> None:
    tests = (PROMETHEUS / "ureg.rules.test.yaml").read_text()
    assert [name for name in alerts() if f"alertname: {name}\n" not in tests] == []
    done = subprocess.run(
        [binary("promtool"), "test", "rules", "ureg.rules.test.yaml"],
        cwd=PROMETHEUS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_speaks_of_metrics_that_there_are(metrics: Metrics) -> None:
    there = {name for name, _ in samples(metrics)}
    named = {name for _, expression in queries() for name in re.findall(r"\b(?:ureg|process)_\w+", expression)}
    assert named - there == set()
    assert {panel["type"] for panel in DASHBOARD["panels"]} == {"row", "stat", "timeseries"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_metric_is_in_the_handbook(metrics: Metrics) -> None:
    handbook = (ROOT / "docs/observability.md").read_text()
    families = {re.sub("_(bucket|count|sum|total|info)$", "", name) for name, _ in samples(metrics)}
    assert [name for name in sorted(families) if name.startswith("ureg_") and f"`{name}" not in handbook] == []
