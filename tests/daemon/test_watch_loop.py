"""The watch loop with real files."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from reconciler.daemon.watch import watch


def test_what_changes_during_the_first_cycle_makes_another(tmp_path: Path) -> None:
    stop, seen = Event(), []

    def cycle(changed: tuple[str, ...]) -> None:
        seen.append(changed)
        if not changed:
            (tmp_path / "a.yaml").write_text("a: 1\n")
        else:
            stop.set()

    watch(tmp_path, cycle, 0.01, stop)
    assert seen == [(), ("a.yaml",)]


def test_what_nobody_asked_about_is_not_told(tmp_path: Path) -> None:
    stop, seen = Event(), []
    (tmp_path / ".git").mkdir()

    def cycle(changed: tuple[str, ...]) -> None:
        seen.append(changed)
        if changed == ("b.yaml",):
            stop.set()
        elif not changed:
            (tmp_path / ".git/index").write_text("")
            (tmp_path / "a.yaml").write_text("")
        else:
            (tmp_path / "b.yaml").write_text("")

    watch(tmp_path, cycle, 0.01, stop)
    assert seen == [(), ("a.yaml",), ("b.yaml",)]
