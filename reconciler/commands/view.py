"""Where a command writes: text for people on a terminal, or machine-readable messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TextIO

from reconciler.bootstrap import Registry, open_registry
from reconciler.engine.settings import KNOBS
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid
from reconciler.ports import Locked, StateError
from reconciler.render.style import Style

Command = Callable[..., int | None]


class View:
    """Results go to standard output, findings to standard error; with `stream` both go out as JSON lines."""

    def __init__(self, style: Style, stream: Any = None, compact_warnings: bool = False) -> None:
        self.style = style
        self.stream = stream
        self._compact_warnings = compact_warnings

    def write(self, text: str) -> None:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")

    def report(self, diagnostics: Diagnostics) -> None:
        if not diagnostics:
            return
        if self.stream is not None:
            self.stream.diagnostics(diagnostics)
            return
        from reconciler.render.diagnostics_text import render_diagnostics

        sys.stdout.flush()
        sys.stderr.write(render_diagnostics(diagnostics, self.style, self._compact_warnings, columns(sys.stderr)))

    def guard(self, operation: Callable[[], int | None]) -> int:
        """The exit code of `operation`; what a user can mend becomes findings and the code 1."""
        try:
            return operation() or 0
        except Invalid as error:
            self.report(error.diagnostics)
        except Locked as error:
            self.report((_locked(error),))
        except StateError as error:
            self.report((Diagnostic("state", "The state cannot be used", str(error)),))
        return 1


def make_view(json: bool, color: bool, compact_warnings: bool = False) -> View:
    stream = None
    if json:
        from reconciler.bootstrap import SystemClock
        from reconciler.render.stream_json import JsonStream

        stream = JsonStream(sys.stdout.write, SystemClock().now)
        stream.version()
    return View(Style(color=color and colorful(os.environ)), stream, compact_warnings)


def columns(stream: TextIO | None = None) -> int:
    """The width of the terminal; 0 where `stream`, by default standard output, is none."""
    if not (stream or sys.stdout).isatty():
        return 0
    from shutil import get_terminal_size

    return get_terminal_size().columns


def colorful(environment: Mapping[str, str]) -> bool:
    return sys.stdout.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def on_registry(function: Command) -> Command:
    """Makes a command of `function(view, registry, **flags)`: opens the registry of the current folder, and turns the
    failures that a user can mend into findings and exit code 1. One of them is that there is no registry."""

    def command(view: View, registry: Registry, **flags: Any) -> int | None:
        from reconciler.commands.presence import refuse_nowhere

        refuse_nowhere(registry)
        return function(view, registry, **flags)

    return in_any_folder(wraps(function)(command))


def in_any_folder(function: Command) -> Command:
    """The same, also where there is no registry: it is one with the built-in kinds then."""

    @wraps(function)
    def command(no_color: bool, compact_warnings: bool, json: bool = False, **flags: Any) -> int:
        view = make_view(json, not no_color, compact_warnings)
        given = given_settings(flags)
        return view.guard(lambda: function(view, open_registry(Path.cwd(), given, os.environ), **flags))

    return command


def given_settings(flags: dict[str, Any]) -> Mapping[str, str]:
    """Takes the settings given as flags out of `flags`."""
    given = {knob.name: flags.pop(knob.name.replace("-", "_")) for knob in KNOBS}
    return {name: value for name, value in given.items() if value}


def _locked(error: Locked) -> Diagnostic:
    from reconciler.render.lock_text import sentence

    lock = error.holder
    return Diagnostic(
        "locked",
        "The state is locked",
        detail=f"{sentence(lock)} Its lease ends at {lock.expires}, unless it is renewed. "
        f"The lock's id is {lock.info.id}.",
        hint="Wait for it to end, or wait longer with -lock-timeout=5m. If its holder is surely dead: "
        f"ureg force-unlock {lock.info.id}",
    )
