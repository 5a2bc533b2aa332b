from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread

from drivers.process.world import READY, World, shell, wait_until

from reconciler.drivers.process_logs import LogFile, follow_logs, last_lines, written


def test_the_latest_lines_are_gathered_across_rotations(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("five\nsix\n")
    (tmp_path / "x.log.1").write_text("three\nfour\n")
    (tmp_path / "x.log.2").write_text("one\ntwo\n")
    assert last_lines(LogFile(log), 1) == ["six"]
    assert last_lines(LogFile(log, "2: "), 5) == ["2: two", "2: three", "2: four", "2: five", "2: six"]
    assert last_lines(LogFile(log), 99) == ["one", "two", "three", "four", "five", "six"]
    assert last_lines(LogFile(log), 0) == []


def test_what_was_there_before_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old\n")
    before = written(log)
    with log.open("a") as file:
        file.write("new\nunfinished")
    assert last_lines(LogFile(log), 9, before) == ["new", "unfinished"]
    log.write_text("x\n")  # shorter than before: it was rotated
    assert last_lines(LogFile(log), 9, before) == ["x"]


def test_a_log_without_line_ends_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"a" * 3_000_000 + b"\nlast\xff\n")
    assert last_lines(LogFile(log), 9) == ["last\ufffd"]


def test_a_log_is_followed_across_its_rotation(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("before\n")
    more = tmp_path / "y.log"
    found: list[str] = []

    def files() -> list[LogFile]:
        return [LogFile(path) for path in (log, more) if path.exists()]

    def reached(least: int) -> bool:
        return len(found) >= least

    follower = follow_logs(files)
    reader = Thread(target=lambda: [found.append(line) for _, line in zip(range(5), follower, strict=False)])  # type: ignore[func-returns-value]
    reader.daemon = True
    reader.start()
    time.sleep(0.3)  # until it has found the end
    steps: list[Callable[[], None]] = [
        lambda: append(log, "one\nunfin"),
        lambda: append(log, "ished\n"),
        lambda: append(log.rename(tmp_path / "x.log.1").with_name("x.log"), "after\n"),
        lambda: append(more, "of another\n"),
        lambda: append(log, "end\n"),
    ]
    for count, step in enumerate(steps, start=1):
        step()
        wait_until(partial(reached, count))
    reader.join(5)
    assert found == ["one", "unfinished", "after", "of another", "end"]


def test_logs_are_rotated_by_supervisord(world: World) -> None:
    chatty = shell(
        "chatty",
        "for n in $(seq 400); do echo line $n; done; exec sleep 1000",
        logs={"maxSize": "1Ki", "keep": 2},
        readiness=READY,
    )
    assert world.go(chatty) == [""]
    wait_until(lambda: list(world.driver.logs(chatty.record(), 1, False)) == ["line 400"])
    there = (world.home / "logs").glob("service~chatty*")
    assert {".1", ".log"} <= {path.suffix for path in there} <= {".1", ".2", ".log"}


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
