"""Envoy's resources as functions of manifests, and what Envoy itself says of them."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.drivers import endpoints, envoy_watches
from reconciler.drivers.atomic import open_folder
from reconciler.drivers.envoy_clusters import clusters, services
from reconciler.drivers.envoy_files import candidate, documents, home, version_of
from reconciler.drivers.envoy_life import Refused, complaint, rejection, validate
from reconciler.drivers.envoy_listener import listener
from reconciler.drivers.envoy_parts import Mesh, duration, mesh_of
from reconciler.drivers.envoy_routes import route_configuration
from reconciler.model.address import named

TO_WEB = [{"service": "web"}]
PATHS = st.sampled_from(["/", "/a", "/a/b", "/b"])
ROUTES = st.fixed_dictionaries(
    {"mesh": st.just("edge"), "host": st.sampled_from(["*", "a.test", "*.test"]), "destinations": st.just(TO_WEB)},
    optional={
        "match": st.fixed_dictionaries(
            {},
            optional={
                "path": st.builds(lambda kind, path: {kind: path}, st.sampled_from(["exact", "prefix"]), PATHS),
                "methods": st.just(["GET", "HEAD"]),
                "headers": st.lists(st.just({"name": "x", "present": True}), min_size=1, max_size=2),
            },
        )
    },
)


def mesh(*routes: dict[str, Any], **spec: Any) -> Mesh:
    named = {f"route/r{number}": {"mesh": "edge", "host": "*", **route} for number, route in enumerate(routes)}
    return Mesh("mesh/edge", {"listen": {"port": 8080}, **spec}, named)


def route_names(of: Mesh) -> list[str]:
    return [route["name"] for host in route_configuration(of)["virtual_hosts"] for route in host["routes"]]


@settings(max_examples=40)
@given(st.lists(ROUTES, max_size=6), st.randoms())
def test_the_order_of_routes_in_the_index_does_not_matter(specs: list[dict[str, Any]], chance: Any) -> None:
    made = mesh(*specs)
    shuffled = list(made.routes.items())
    chance.shuffle(shuffled)
    assert documents(made._replace(routes=dict(shuffled))) == documents(made)
    assert sorted(route_names(made)) == sorted(made.routes)


def test_routes_go_from_the_special_to_the_general() -> None:
    header = [{"name": "x", "present": True}]
    made = mesh(
        {"destinations": TO_WEB},
        {"destinations": TO_WEB, "match": {"path": {"prefix": "/a"}}},
        {"destinations": TO_WEB, "match": {"path": {"prefix": "/a"}, "methods": ["GET"]}},
        {"destinations": TO_WEB, "match": {"path": {"prefix": "/a"}, "headers": header}},
        {"destinations": TO_WEB, "match": {"path": {"prefix": "/a/b"}}},
        {"destinations": TO_WEB, "match": {"path": {"exact": "/"}}},
        {"destinations": TO_WEB, "match": {"headers": header}},
    )
    assert route_names(made) == [f"route/r{number}" for number in (5, 4, 3, 2, 1, 6, 0)]


def test_the_version_of_a_file_follows_what_is_in_it() -> None:
    one, same, other = (
        documents(mesh({"destinations": TO_WEB}, **spec)) for spec in ({}, {}, {"balancer": {"default": "random"}})
    )
    assert one == same
    changed = {name for name in one if version_of(one[name]) != version_of(other[name])}
    assert changed == {"cds.json"}
    assert version_of(b"") == version_of(b"[]") == ""


def test_a_service_that_several_routes_lead_to_is_one_cluster() -> None:
    with_port = [{"service": "web", "port": "admin"}, {"service": "payments:web"}, {"service": "service/web"}]
    made = mesh({"destinations": TO_WEB}, {"destinations": with_port})
    assert list(services(made)) == ["payments:service/web", "service/web", "service/web#admin"]
    assert len(clusters(made, ".")) == 3


@pytest.mark.parametrize(("text", "said"), [("250ms", "0.25s"), ("1s", "1s"), ("5m", "300s"), ("12h", "43200s")])
def test_durations(text: str, said: str) -> None:
    assert duration(text) == said


@pytest.mark.parametrize(
    ("text", "address"),
    [("web", "service/web"), ("payments:web", "payments:service/web"), ("a:b:service/web", "a:b:service/web")],
)
def test_references(text: str, address: str) -> None:
    assert named("service", text) == address
    assert mesh_of("route/r", "Route", {"spec": {"mesh": "p:edge"}}) == "p:mesh/edge"


def test_envoy_takes_everything_that_a_manifest_may_ask_for(tmp_path: Path) -> None:
    every = mesh(
        {
            "destinations": [{"service": "web", "weight": 90}, {"service": "other", "port": "http", "weight": 0}],
            "host": "*.shop.example.com",
            "match": {
                "path": {"exact": "/a%20b"},
                "methods": ["GET", "HEAD"],
                "headers": [
                    {"name": "x-a", "exact": "(%[1]"},
                    {"name": "x-b", "prefix": "$"},
                    {"name": "x-c", "present": False},
                ],
            },
            "rewrite": "/b\\1",
            "timeout": "250ms",
            "retries": {
                "attempts": 10,
                "perTryTimeout": "1ms",
                "when": ["5xx", "gateway-error", "reset", "connect-failure", "refused-stream", "retriable-4xx"],
            },
        },
        {"destinations": [{"service": "web", "weight": 1000}, {"service": "é%~"}]},
        listen={"address": "::1", "port": 65535},
        balancer={"default": "maglev", "services": [{"service": "web", "policy": "ring_hash"}], "hashHeader": "x-a"},
        outlierDetection={"consecutiveErrors": 1, "interval": "1ms", "ejectionTime": "12h", "maxEjectedPercent": 0},
        healthChecks=[
            {"service": "web", "path": "/healthz?full=1", "interval": "1ms", "timeout": "1ms"},
            {"service": "é%~", "successThreshold": 100, "failureThreshold": 100},
        ],
        tracing={"enabled": True, "endpoint": "https://[::1]:4318/v1/traces", "samplePercent": 0.1},
    )
    judge(tmp_path, every)
    judge(tmp_path, mesh(tracing={"enabled": True}, outlierDetection={}))
    with pytest.raises(Refused, match="malformed IP address: nowhere"):
        judge(tmp_path, mesh(listen={"address": "nowhere", "port": 1}))


def judge(run: Path, made: Mesh) -> None:
    endpoints.ensure(run, services(made))
    place = home(run, made.address)
    with open_folder(place.resolve(), create=True) as folder:
        validate(place, folder, candidate(made))
        assert folder.names() == []


def test_a_schema_has_nothing_that_the_driver_does_not_know() -> None:
    """Each property of a spec is spoken of in the driver, but for what is only for people."""
    root = Path(__file__).parents[3]
    code = "".join(path.read_text() for path in (root / "reconciler/drivers").glob("envoy*.py"))
    for kind in ("mesh", "route"):
        schema = json.loads((root / f"schemas/{kind}.schema.json").read_text())
        names = set(_properties(schema["properties"]["spec"])) - {"description"}
        assert {name for name in names if f'"{name}"' not in code} == set()


def _properties(schema: dict[str, Any]) -> list[str]:
    below = [*schema.get("properties", {}).items(), ("", schema.get("items", {}))]
    return [name for key, value in below for name in ([key] if key else []) + (_properties(value) if value else [])]


def test_a_trace_collector_without_a_path_gets_the_usual_one() -> None:
    for endpoint, uri in (
        ({}, "http://127.0.0.1:4318/v1/traces"),
        ({"endpoint": "http://a.test/"}, "http://a.test/v1/traces"),
        ({"endpoint": "http://a.test/otlp"}, "http://a.test/otlp"),
    ):
        text = orjson.dumps(listener(mesh(tracing={"enabled": True, **endpoint}), {})).decode()
        assert f'"uri":"{uri}"' in text


def test_words_of_envoy_lose_their_noise() -> None:
    line = "[2026-11-24 15:23:42.618][25456][critical][main] [source/server/server.cc:76] "
    assert (
        complaint(f"{line}error initializing configuration 'candidate.json': Proto [x] is wrong\n\n")
        == "Proto [x] is wrong"
    )
    crash = "[1][2][critical][assert] [b.cc:1] assert failure: x\n[1][2][critical][backtrace] [c.h:9] #0: [0x7f]\n"
    assert complaint(crash) == "assert failure: x"
    assert complaint("") == "it does not say why"
    assert len(complaint("x" * 5000)) < 600
    rejected = "[warning][config] [a.cc:81] Filesystem config update rejected: route: unknown cluster 'b'\n"
    assert rejection(rejected) == "Envoy refuses the configuration: route: unknown cluster 'b'"


def test_services_beyond_what_the_system_lets_envoy_watch_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "max_user_instances"
    monkeypatch.setattr(envoy_watches, "_LIMIT", limit)
    envoy_watches.check_watches(1000, frozenset)
    limit.write_text("40\n")
    envoy_watches.check_watches(32, frozenset)
    with pytest.raises(Refused, match=r"sysctl -w fs\.inotify\.max_user_instances=160"):
        envoy_watches.check_watches(40, frozenset)
    limit.write_text("100000\n")
    envoy_watches.check_watches(1000, frozenset)


def test_instances_in_use_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "max_user_instances"
    monkeypatch.setattr(envoy_watches, "_LIMIT", limit)
    here = frozenset([os.getpid()])
    others = sum(envoy_watches._instances(here))
    limit.write_text(f"{others + 60}\n")
    made = [ctypes.CDLL(None).inotify_init1(os.O_CLOEXEC) for _ in range(30)]
    try:
        with pytest.raises(Refused, match="The mesh would lead to 40 services, and Envoy can follow"):
            envoy_watches.check_watches(40, frozenset)
        envoy_watches.check_watches(40, lambda: here)
    finally:
        for each in made:
            os.close(each)
