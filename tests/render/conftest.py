from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from reconciler.model.change import MISSING, Action, Change, Difference, Reason, Side
from reconciler.model.kind import Field
from reconciler.model.plan import Base, Guard, Mode, Options, Plan
from reconciler.model.record import Observation, Record, Seen, Status
from reconciler.model.resource import Revision

GOLDEN = Path(__file__).parent / "golden"

Golden = Callable[[str, str | bytes], None]

FIELDS: Mapping[str, Field] = {
    "service": Field(
        properties={
            "spec": Field(
                properties={
                    "token": Field(properties={}, sensitive=True),
                    "port": Field(properties={}, immutable=True),
                    "routes": Field(properties={}, items=Field(properties={}), key="path"),
                }
            )
        }
    )
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-golden", action="store_true", help="Write the golden files anew.")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with the golden file of a name, or writes it there."""

    def compare(name: str, text: str | bytes) -> None:
        path = GOLDEN / name
        data = text.encode() if isinstance(text, str) else text
        if request.config.getoption("--regenerate-golden", default=False):
            path.write_bytes(data)
        assert data.decode() == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def fields() -> Mapping[str, Field]:
    return FIELDS


def manifest(kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> bytes:
    document = {"apiVersion": "ureg/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def side(state: str, body: bytes, *dependencies: str) -> Side:
    return Side(state, f"{hash(body)}", body, dependencies)


def make_plan(
    *changes: Change,
    unchanged: tuple[Record, ...] = (),
    drift: tuple[tuple[Record, Observation], ...] = (),
    guards: tuple[Guard, ...] = (),
    mode: Mode = Mode.NORMAL,
) -> Plan:
    return Plan(
        options=Options(mode=mode),
        base=Base("1f0c3a52", 7),
        revision=Revision("4b825dc642cb6eb9a060e54bf8d69288fbee4904", "9e107d9d372bb6826bd81d3542a419d6", False),
        schemas="e4d909c290d0fb1ca068ffaddf22cbd0",
        changes=changes,
        steps=(),
        unchanged=unchanged,
        drift=drift,
        guards=guards,
        created_at="2026-11-24T12:00:00Z",
    )


def creation() -> Change:
    spec = {
        "command": ["uvicorn", "search:app", "--port", "8080"],
        "env": {"LOG_LEVEL": "info", "odd key": ""},
        "replicas": 2,
        "ratio": 0.5,
        "debug": False,
        "owner": None,
        "tags": [],
        "script": "set -e\nexec ./run\n",
        "token": {"secretRef": {"name": "search-token"}},
    }
    body = manifest("Service", "search-api", spec, labels={"team": "discovery"}, dependsOn=["engine/duckdb"])
    return Change(
        address="service/search-api",
        kind="Service",
        driver="process",
        action=Action.CREATE,
        reason=Reason.NONE,
        before=None,
        after=side("running", body, "engine/duckdb"),
        verbs=("register", "install", "start"),
        differences=(),
        source="registry.d/services/search-api.yaml:3",
    )


def update() -> Change:
    routes = [{"path": "/a", "weight": 1}, {"path": "/b", "weight": 2}]
    before = manifest(
        "Service", "web", {"replicas": 2, "motd": "one\ntwo\nthree\nfour\n", "routes": routes, "port": 80}
    )
    new_routes = [{"path": "/b", "weight": 3}, {"path": "/c", "weight": 1}]
    after = manifest(
        "Service",
        "web",
        {"replicas": 3, "motd": "one\ntwo\n3\nfour\n", "routes": new_routes, "port": 80, "env": {"A": "1"}},
    )
    return Change(
        address="service/web",
        kind="Service",
        driver="process",
        action=Action.UPDATE,
        reason=Reason.NONE,
        before=side("running", before),
        after=side("stopped", after),
        verbs=("update", "stop"),
        differences=(
            Difference(("spec", "env"), MISSING, {"A": "1"}),
            Difference(("spec", "motd"), "one\ntwo\nthree\nfour\n", "one\ntwo\n3\nfour\n"),
            Difference(("spec", "replicas"), 2, 3),
            Difference(("spec", "routes", 0), routes[0], MISSING),
            Difference(("spec", "routes", 0, "weight"), 2, 3),
            Difference(("spec", "routes", 1), MISSING, new_routes[1]),
            Difference(("spec", "token"), "(sensitive)", "(sensitive)", sensitive=True),
        ),
        source="registry.d/services/web.yaml:3",
    )


def replacement() -> Change:
    return Change(
        address="service/db",
        kind="Service",
        driver="process",
        action=Action.REPLACE,
        reason=Reason.CANNOT_UPDATE,
        before=side("running", manifest("Service", "db", {"port": 5432, "size": "s"})),
        after=side("running", manifest("Service", "db", {"port": 5433, "size": "s"})),
        verbs=("stop", "uninstall", "remove", "register", "install", "start"),
        differences=(Difference(("spec", "port"), 5432, 5433, forces_replacement=True),),
        source="registry.d/services/db.yaml:1",
        dependents=("service/web", "service/search-api"),
    )


def deletion() -> Change:
    return Change(
        address="component/old",
        kind="Component",
        driver="record",
        action=Action.DELETE,
        reason=Reason.NOT_IN_CONFIGURATION,
        before=side("enabled", manifest("Component", "old", {"owner": "nobody"})),
        after=None,
        verbs=("disable", "remove"),
        differences=(),
        source="registry.d/components/old.yaml:1",
    )


def stopping() -> Change:
    body = manifest("Engine", "spark", {"version": "3.5"})
    return Change(
        address="engine/spark",
        kind="Engine",
        driver="process",
        action=Action.UPDATE,
        reason=Reason.NONE,
        before=side("running", body),
        after=side("stopped", body),
        verbs=("stop",),
        differences=(),
        source="registry.d/engines/spark.yaml:1",
    )


def retry() -> Change:
    body = manifest("Engine", "duckdb", {"version": "1.1"})
    return Change(
        address="engine/duckdb",
        kind="Engine",
        driver="process",
        action=Action.UPDATE,
        reason=Reason.FAILED,
        before=side("installed", body),
        after=side("running", body),
        verbs=("start",),
        differences=(),
        source="registry.d/engines/duckdb.yaml:1",
        detail="exit status 3: no space left",
    )


STOPPED = (Seen("process", "running", "exited with 3\x1b[2J"), Seen("spec.replicas", "2", "0"))


def record(address: str = "config/app", state: str = "present") -> Record:
    kind, _, name = address.partition("/")
    body = manifest(kind.capitalize(), name, {"values": {"a": 1}})
    return Record(
        address, kind.capitalize(), state, Status.OK, "f", body, b'["engine/duckdb"]', "registry.d/app.yaml:1"
    )


@pytest.fixture
def plan() -> Plan:
    """A plan with everything in it."""
    seen = ((record(), Observation("config/app", "present", "app.json was edited by hand")),)
    gone = ((record("config/lost"), Observation("config/lost", "absent")),)
    stopped = ((record("service/down", "running"), Observation("service/down", "stopped", "", STOPPED)),)
    changes = (retry(), creation(), update(), replacement(), stopping(), deletion())
    unchanged = (record("component/same", "enabled"),)
    return make_plan(
        *changes,
        unchanged=unchanged,
        drift=seen + gone + stopped,
        guards=(Guard("deletes", "1 of 1 would be deleted."),),
    )
