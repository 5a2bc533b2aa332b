from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from reconciler.model.event import Event, RunFinished, RunStarted, StepFinished, StepSkipped, StepStarted, Summary
from reconciler.model.plan import Plan, Step
from reconciler.render.diagnostics_text import render_diagnostics
from reconciler.render.progress import LineProgress, LiveProgress, duration
from reconciler.render.stream_json import JsonStream
from reconciler.render.style import PLAIN, Style
from reconciler.render.summary import render_summary


def step(number: int, address: str, verb: str, source: str, target: str) -> Step:
    return Step(number, address, verb, source, target, ())


STEPS = (
    step(0, "engine/duckdb", "install", "registered", "installed"),
    step(1, "engine/duckdb", "start", "installed", "running"),
    step(2, "service/a", "register", "absent", "registered"),
    step(3, "service/a", "install", "registered", "installed"),
    step(4, "service/db", "remove", "registered", "absent"),
    step(5, "service/db", "register", "absent", "registered"),
    step(6, "service/b", "register", "absent", "registered"),
    step(7, "config/old", "delete", "present", "absent"),
    step(8, "service/c", "register", "absent", "registered"),
)


def run(steps: int = len(STEPS), interrupted: bool = False) -> Iterator[Event]:
    """A run in which an engine fails and a service is skipped because of it."""
    yield RunStarted(steps)
    yield StepStarted(STEPS[0])
    yield StepFinished(STEPS[0], "", 0.2, last=False)
    yield StepStarted(STEPS[1])
    yield StepStarted(STEPS[2])
    yield StepFinished(STEPS[1], "exit status 3\n\x1b[2Jno space left", 61.5, last=True)
    yield StepSkipped(STEPS[6], "engine/duckdb")
    yield StepFinished(STEPS[2], "", 0.1, last=False)
    for done, last in ((STEPS[3], True), (STEPS[4], False), (STEPS[5], True), (STEPS[7], True)):
        yield StepStarted(done)
        yield StepFinished(done, "", 1.5, last)
    if interrupted:
        yield StepSkipped(STEPS[8], "")
    yield RunFinished(Summary(2, 0, 2, ("engine/duckdb",), ("service/b",), interrupted, 65.0))


@pytest.mark.parametrize(("name", "steps"), [("short", len(STEPS)), ("long", 5000)])
def test_plain_lines(name: str, steps: int, golden: Any) -> None:
    for style, ending in ((PLAIN, "txt"), (Style(color=True), "ansi")):
        lines: list[str] = []
        progress = LineProgress(lines.append, style)
        for event in run(steps):
            progress(event)
        golden(f"progress_{name}.{ending}", "".join(lines))


def test_an_interrupted_run(golden: Any) -> None:
    lines: list[str] = []
    progress = LineProgress(lines.append, PLAIN)
    for event in run(5000, interrupted=True):
        progress(event)
    golden("progress_interrupted.txt", "".join(lines))


def test_a_run_that_went_well() -> None:
    assert render_summary(Summary(3, 1, 0), (), {}, PLAIN) == (
        "\nApply complete! Resources: 3 added, 1 changed, 0 destroyed.\n"
    )
    assert render_summary(Summary(destroyed=4), (), {}, PLAIN, "destroy") == (
        "\nDestroy complete! Resources: 4 destroyed.\n"
    )


def test_many_skipped_are_counted() -> None:
    failure = StepFinished(STEPS[1], "no", 0, last=True)
    skipped = {f"service/s{number}": "engine/duckdb" for number in range(30)}
    text = render_summary(Summary(failed=("engine/duckdb",)), [failure], skipped, PLAIN)
    assert text.count("(needs engine/duckdb)") == 20
    assert "  and 10 more\n" in text


class Screen(io.StringIO):
    """A terminal of one line that is redrawn: `shown` are the lines that stay, `status` what the last one says."""

    @property
    def shown(self) -> list[str]:
        return [line.split("\r")[-1].replace("\x1b[K", "") for line in self.getvalue().split("\n")]

    @property
    def statuses(self) -> list[str]:
        return [part.removesuffix("\x1b[K") for part in self.getvalue().split("\r") if part.endswith("\x1b[K")]


def test_a_live_line_keeps_failures_above_it_and_ends_with_the_summary() -> None:
    screen, seconds = Screen(), iter(range(1000))
    progress = LiveProgress(screen, PLAIN, lambda: next(seconds), lambda: 60)
    for event in run():
        progress(event)
    assert screen.shown[0] == "engine/duckdb: start failed: exit status 3"
    assert "Apply incomplete. Resources: 2 added, 0 changed, 2 destroyed." in screen.shown
    assert all(len(status) < 60 for status in screen.statuses)
    assert any(status.startswith("1/9 steps, ") and "engine/duckdb: start" in status for status in screen.statuses)
    assert any("1 failed" in status for status in screen.statuses)


def test_a_live_line_is_drawn_ten_times_a_second() -> None:
    screen, seconds = Screen(), [0.0]
    progress = LiveProgress(screen, PLAIN, lambda: seconds[0], lambda: 80)
    progress(RunStarted(1000))
    for number in range(1000):
        seconds[0] = number / 1000
        progress(StepFinished(step(number, "a/b", "create", "absent", "present"), "", 0, last=True))
    assert len(screen.statuses) in (10, 11)


def test_a_live_line_goes_on_while_nothing_happens() -> None:
    drawn = threading.Event()
    seconds = iter(range(1000))

    class Watched(Screen):
        def flush(self) -> None:
            drawn.set()

    screen = Watched()
    with LiveProgress(screen, PLAIN, lambda: next(seconds), lambda: 80) as progress:
        progress(RunStarted(1))
        drawn.clear()
        assert drawn.wait(5)
    assert screen.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0s"), (75, "1m15s"), (3661, "1h1m1s")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def stream(*events: Event, plan: Plan | None = None) -> list[dict[str, Any]]:
    lines: list[str] = []
    messages = JsonStream(lines.append, lambda: "2026-11-24T12:00:00Z")
    if plan:
        messages.plan(plan)
    for event in events:
        messages.event(event)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    return [orjson.loads(line) for line in lines]


def test_machine_readable_messages(plan: Plan, golden: Any) -> None:
    messages = stream(*run(), plan=plan)
    golden("stream.jsonl", "".join(f"{orjson.dumps(message).decode()}\n" for message in messages))


def test_a_component_starts_and_ends_once_in_the_messages() -> None:
    messages = stream(*run())
    hooks = [(m["type"], m["hook"]["resource"]["addr"]) for m in messages if "hook" in m]
    assert hooks.count(("apply_start", "engine/duckdb")) == 1
    assert hooks.count(("apply_errored", "engine/duckdb")) == 1
    assert hooks.count(("apply_complete", "service/db")) == 1


def test_the_first_message_tells_the_versions() -> None:
    lines: list[str] = []
    JsonStream(lines.append, lambda: "2026-11-24T12:00:00Z").version()
    (message,) = map(orjson.loads, lines)
    assert message["type"] == "version"
    assert (message["ui"], message["terraform"]) == ("1.2", "1.11.4")


def test_failures_are_told_in_full_at_the_end() -> None:
    lines: list[str] = []
    progress = LineProgress(lines.append, PLAIN)
    for event in run():
        progress(event)
    assert lines[-1].startswith(
        "\n╷\n│ Error: engine/duckdb: start failed\n│\n│ exit status 3\n│ \\x1b[2Jno space left\n"
    )
    assert render_diagnostics((), PLAIN) == ""
