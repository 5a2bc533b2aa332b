"""Stages on both stores, the options of the long versions, and the figures at the end of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from crash.stage import Stage
from state.postgres_server import PostgresServer, running_server

STORES = ("sqlite", "postgresql")
SIZE = 6
"""Things on a stage in an ordinary run: one of each fate."""

LONG_SIZE = 30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crash-runs", type=int, default=0, help="Kills at random moments, and images of a power cut.")


@pytest.fixture(scope="session")
def crash_runs(request: pytest.FixtureRequest) -> int:
    """How often the long versions try; 0 in an ordinary run."""
    runs: int = request.config.getoption("--crash-runs", 0)
    return runs


class PostgresDatabase:
    """One database of a server. What is kept is another one, which serves as template."""

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.new_database()
        self._server = server
        self.name = urlsplit(self.url).path.lstrip("/")

    def save(self) -> None:
        self._copy(self.name, f"{self.name}_kept")

    def restore(self) -> None:
        self._copy(f"{self.name}_kept", self.name)

    def _copy(self, source: str, target: str) -> None:
        self._server.cut_off(source)
        self._server.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        self._server.execute(f"CREATE DATABASE {target} TEMPLATE {source}")


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with running_server() as made:
        yield made


@pytest.fixture(scope="session")
def stage_for(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, crash_runs: int
) -> Callable[[str], Stage]:
    """The stage on a store, as it was made; each is made once."""
    made: dict[str, Stage] = {}
    folder = tmp_path_factory.mktemp("stages")

    def stage_for(store: str) -> Stage:
        if store not in made:
            database = PostgresDatabase(request.getfixturevalue("server")) if store == "postgresql" else None
            made[store] = Stage(folder / store, LONG_SIZE if crash_runs else SIZE, database)
        made[store].restore()
        return made[store]

    return stage_for


@pytest.fixture(params=STORES)
def stage(request: pytest.FixtureRequest, stage_for: Callable[[str], Stage]) -> Stage:
    """A stage on each store."""
    return stage_for(request.param)


@pytest.fixture
def sqlite_stage(stage_for: Callable[[str], Stage]) -> Stage:
    return stage_for("sqlite")


@pytest.fixture
def postgresql_stage(stage_for: Callable[[str], Stage]) -> Stage:
    return stage_for("postgresql")


@pytest.fixture(scope="session", autouse=True)
def strace() -> None:
    """Says what is missing before anything fails for the lack of it."""
    assert shutil.which("strace"), "These tests need strace: apt-get install strace"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Adds up the figures that the tests recorded as properties."""
    figures: dict[str, float] = {}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if isinstance(value, int | float):
                kept = figures.get(name, 0)
                figures[name] = max(kept, value) if "longest" in name else kept + value
    for name, value in sorted(figures.items()):
        terminalreporter.write_line(f"{name}: {value:g}")
