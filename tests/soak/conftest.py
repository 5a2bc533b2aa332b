"""The option of the long version, a place that costs little to sync, and the figures at the end of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", type=float, default=0, help="Seconds of trouble; an ordinary run has a few.")


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """How long the long version lasts; 0 in an ordinary run."""
    given: float = request.config.getoption("--soak", 0)
    return given


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="soak", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the figures of each soak as a table."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        figures = [(name, value) for name, value in report.user_properties if name.startswith("soak, ")]
        if figures:
            terminalreporter.write_line(f"\n| {report.nodeid.rpartition('::')[2]} | |\n|---|---:|")
        for name, value in figures:
            terminalreporter.write_line(f"| {name.removeprefix('soak, ')} | {value} |")
