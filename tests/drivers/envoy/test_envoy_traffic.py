"""Requests through a real Envoy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest
from drivers.component import Component
from drivers.envoy.backends import Backend, backends
from drivers.envoy.scene import Answer, Scene, route, wait_until

from reconciler.model.lifecycle import ABSENT


def named(scene: Scene, host: str, count: int, **headers: str) -> Counter[str]:
    """Which backends answered `count` requests, how often each."""
    return Counter(scene.ask(host, headers=headers).name for _ in range(count))


@pytest.fixture
def mesh(scene: Scene) -> Iterator[Component]:
    """The mesh as it is before and after a test that changes it."""
    plain = scene.mesh()
    yield plain
    assert scene.go(plain) == [""]


def test_weights_share_out_the_requests(scene: Scene, one: Backend, two: Backend) -> None:
    scene.publish("weight-a", one)
    scene.publish("weight-b", two)
    first = route(
        "weights", destinations=[{"service": "weight-a", "weight": 80}, {"service": "weight-b", "weight": 20}]
    )
    assert scene.go(first) == [""]
    found = named(scene, "weights.test", 400)
    assert found["one"] + found["two"] == 400
    assert 260 < found["one"] < 380
    none = route("weights", destinations=[{"service": "weight-a", "weight": 0}, {"service": "weight-b"}])
    assert scene.go(none, before=first) == [""]
    assert named(scene, "weights.test", 30) == {"two": 30}


def test_the_most_specific_route_is_taken(scene: Scene) -> None:
    wanted: dict[str, dict[str, Any]] = {
        "all": {},
        "short": {"match": {"path": {"prefix": "/a"}}},
        "long": {"match": {"path": {"prefix": "/a/b"}}},
        "exact": {"match": {"path": {"exact": "/a/b"}}},
        "posted": {"match": {"path": {"prefix": "/a/b"}, "methods": ["POST", "PUT"]}},
        "marked": {"match": {"path": {"prefix": "/a/b"}, "headers": [{"name": "x-mark", "exact": "1"}]}},
        "below": {"host": "*.rank.test"},
        "other": {"host": "*"},
    }
    with backends(*wanted) as made:
        for backend in made:
            scene.publish(f"rank-{backend.name}", backend)
        routes = [route(name, f"rank-{name}", **{"host": "rank.test", **spec}) for name, spec in wanted.items()]
        assert set(scene.go(*routes)) == {""}
        asked = {
            "all": scene.ask("rank.test", "/"),
            "short": scene.ask("rank.test", "/ab"),
            "long": scene.ask("rank.test", "/a/bc"),
            "exact": scene.ask("rank.test:8080", "/a/b?x=1"),
            "posted": scene.ask("RANK.test", "/a/bc", "POST"),
            "marked": scene.ask("rank.test", "/a/bc", headers={"x-mark": "1"}),
            "below": scene.ask("deep.below.rank.test"),
            "other": scene.ask("elsewhere.test"),
        }
        assert {name: answer.name for name, answer in asked.items()} == {name: name for name in wanted}
        assert set(scene.do(*(each.remove() for each in routes))) == {""}
        assert scene.ask("rank.test").status == 404


def test_headers_decide(scene: Scene, one: Backend) -> None:
    scene.publish("headed", one)
    headers = [
        {"name": "x-exact", "exact": "a.b"},
        {"name": "x-prefix", "prefix": "Bearer"},
        {"name": "x-there", "present": True},
        {"name": "x-absent", "present": False},
    ]
    assert scene.go(route("headers", "headed", match={"headers": headers})) == [""]
    good = {"x-exact": "a.b", "x-prefix": "Bearer 1", "x-there": "2"}
    assert scene.ask("headers.test", headers=good).name == "one"
    for bad in ({"x-exact": "aXb"}, {"x-prefix": "Basic"}, {"x-absent": "3"}):
        assert scene.ask("headers.test", headers={**good, **bad}).status == 404
    assert scene.ask("headers.test", headers={"x-exact": "a.b", "x-prefix": "Bearer"}).status == 404


def test_paths_are_rewritten(scene: Scene, one: Backend) -> None:
    scene.publish("rewritten", one)
    prefix = route("prefix", "rewritten", match={"path": {"prefix": "/search/"}}, rewrite="/")
    exact = route("exact", "rewritten", match={"path": {"exact": "/old"}}, rewrite="/new/place")
    assert scene.go(prefix, exact) == ["", ""]
    assert scene.ask("prefix.test", "/search/shoes?q=1") == Answer(200, "one", "/shoes?q=1")
    assert scene.ask("exact.test", "/old?q=1") == Answer(200, "one", "/new/place?q=1")


def test_failed_requests_are_sent_again_when_asked_for(scene: Scene, one: Backend) -> None:
    scene.publish("retried", one)
    one.status = lambda number: 200 if number % 2 else 503
    never = route("retries", "retried", retries={"attempts": 0})
    assert scene.go(never) == [""]
    assert {scene.ask("retries.test").status for _ in range(4)} == {200, 503}
    again = route("retries", "retried", retries={"attempts": 2, "perTryTimeout": "2s", "when": ["5xx"]})
    assert scene.go(again, before=never) == [""]
    before = len(one.asked)
    assert {scene.ask("retries.test").status for _ in range(10)} == {200}
    assert len(one.asked) == before + 20


def test_a_slow_answer_runs_into_the_timeout(scene: Scene, one: Backend) -> None:
    scene.publish("slow", one)
    one.delay = 0.5
    assert scene.go(route("slow", "slow", timeout="100ms")) == [""]
    assert scene.ask("slow.test").status == 504


def test_round_robin_goes_in_turn(scene: Scene, one: Backend, two: Backend) -> None:
    scene.publish("turns", one, two)
    assert scene.go(route("turns", "turns")) == [""]
    assert named(scene, "turns.test", 20) == {"one": 10, "two": 10}


@pytest.mark.parametrize("policy", ["ring_hash", "maglev"])
def test_one_caller_stays_with_one_endpoint(
    scene: Scene, one: Backend, two: Backend, mesh: Component, policy: str
) -> None:
    scene.publish("sticky", one, two)
    assert scene.go(route("sticky", "sticky")) == [""]
    services = [{"service": "sticky", "policy": policy}]
    assert scene.go(scene.mesh(balancer={"services": services, "hashHeader": "x-session"}), before=mesh) == [""]
    callers = [named(scene, "sticky.test", 5, **{"x-session": str(number)}) for number in range(20)]
    assert all(len(caller) == 1 for caller in callers)
    assert len(set().union(*callers)) == 2
    assert len(named(scene, "sticky.test", 20)) == 1


@pytest.mark.parametrize("policy", ["least_request", "random"])
def test_other_policies_use_all_endpoints(
    scene: Scene, one: Backend, two: Backend, mesh: Component, policy: str
) -> None:
    scene.publish("spread", one, two)
    assert scene.go(route("spread", "spread")) == [""]
    assert scene.go(scene.mesh(balancer={"default": policy}), before=mesh) == [""]
    assert named(scene, "spread.test", 60).keys() == {"one", "two"}


def test_an_endpoint_that_keeps_failing_is_left_out(scene: Scene, one: Backend, two: Backend, mesh: Component) -> None:
    scene.publish("outlier", one, two)
    two.status = lambda number: 500
    assert scene.go(route("outlier", "outlier")) == [""]
    limits = {"consecutiveErrors": 3, "interval": "50ms", "ejectionTime": "1m", "maxEjectedPercent": 50}
    assert scene.go(scene.mesh(outlierDetection=limits), before=mesh) == [""]
    wait_until(lambda: {scene.ask("outlier.test").status for _ in range(4)} == {200})
    assert len(two.asked) < 20
    assert named(scene, "outlier.test", 20) == {"one": 20}


def test_an_endpoint_whose_check_fails_gets_no_requests(
    scene: Scene, one: Backend, two: Backend, mesh: Component
) -> None:
    scene.publish("checked", one, two)
    checked = route("checked", "checked")
    two.status = lambda number: 503
    assert scene.go(checked) == [""]
    check = {"service": "checked", "path": "/healthz", "interval": "50ms", "failureThreshold": 1}
    assert scene.go(scene.mesh(healthChecks=[check]), before=mesh) == [""]
    assert named(scene, "checked.test", 20) == {"one": 20}
    assert scene.health(checked).healthy
    one.status = lambda number: 503
    wait_until(lambda: not scene.health(checked).healthy)
    assert scene.health(checked).message == "none of the 2 endpoints of service/checked is healthy"


def test_a_check_without_a_path_is_a_connection(scene: Scene, one: Backend, mesh: Component) -> None:
    scene.publish("connected", one)
    connected = route("connected", "connected")
    assert scene.go(connected) == [""]
    check = {"service": "connected", "interval": "50ms", "timeout": "1s", "failureThreshold": 1}
    assert scene.go(scene.mesh(healthChecks=[check]), before=mesh) == [""]
    assert scene.health(connected).healthy
    one.close()
    wait_until(lambda: not scene.health(connected).healthy)


def test_traces_go_to_the_collector(scene: Scene, one: Backend, two: Backend, mesh: Component) -> None:
    scene.publish("traced", one)
    assert scene.go(route("traced", "traced")) == [""]
    collector = f"http://127.0.0.1:{two.endpoint[1]}"
    assert scene.go(scene.mesh(tracing={"enabled": True, "endpoint": collector}), before=mesh) == [""]
    named(scene, "traced.test", 10)
    wait_until(lambda: any(asked == ("POST", "/v1/traces") for asked in two.asked))
    assert scene.go(scene.mesh(tracing={"enabled": False, "endpoint": collector})) == [""]


def test_endpoints_follow_the_services_without_an_apply(scene: Scene, one: Backend, two: Backend) -> None:
    follow = route("follow", "follow", destinations=[{"service": "follow", "port": "http"}])
    assert scene.go(follow) == [""]
    assert scene.ask("follow.test").status == 503
    words = "port http of service/follow has no endpoints: the service does not run, or has no such port"
    assert scene.health(follow) == (False, words)
    for backend in (one, two):
        scene.publish("follow", backend)
        wait_until(lambda name=backend.name: scene.ask("follow.test").name == name)  # type: ignore[misc]
    assert scene.health(follow) == (True, "")
    scene.publish("follow")
    wait_until(lambda: scene.ask("follow.test").status == 503)


def test_no_request_fails_while_a_route_goes_from_one_service_to_another(
    scene: Scene, one: Backend, two: Backend
) -> None:
    scene.publish("swap-a", one)
    scene.publish("swap-b", two)
    routes = [route("swap", "swap-a"), route("swap", "swap-b")]
    assert scene.go(routes[0]) == [""]
    done, answers = Event(), list[Answer]()

    def keep_asking() -> None:
        while not done.is_set():
            answers.append(scene.ask("swap.test"))

    asking = Thread(target=keep_asking)
    asking.start()
    for number in range(4):
        assert scene.go(routes[(number + 1) % 2], before=routes[number % 2]) == [""]
    done.set()
    asking.join()
    assert {answer.status for answer in answers} == {200}
    assert {answer.name for answer in answers} == {"one", "two"}


def test_a_disabled_route_takes_no_requests(scene: Scene, one: Backend) -> None:
    scene.publish("switched", one)
    switched = route("switched", "switched")
    assert scene.go(switched) == [""]
    assert scene.ask("switched.test").status == 200
    assert scene.move(switched, "disabled") == [""]
    assert scene.ask("switched.test").status == 404
    assert scene.drift(route("switched", "switched", state="disabled")) == {}
    assert scene.move(route("switched", "switched", state="disabled"), ABSENT) == [""]


def test_the_log_of_a_route_holds_its_requests(scene: Scene, one: Backend) -> None:
    scene.publish("logged", one)
    logged = route("logged", "logged")
    assert scene.go(logged) == [""]
    scene.ask("logged.test", '/a"<%0Ab')
    wait_until(lambda: len(scene.logs(logged)) == 1)
    (line,) = scene.logs(logged)
    assert all(word in line for word in ('"route":"route/logged"', '"service":"service/logged"', '"status":200'))
    assert line.isprintable()
    scene.ask("logged.test", "/second")
    wait_until(lambda: "/second" in scene.logs(logged, 1)[0])
    assert scene.logs(scene.mesh(), 1) == scene.logs(logged, 1)
