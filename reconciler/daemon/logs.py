"""The daemon's log: one line for each thing that happens, as text for people or as JSON for machines.

This is the one place that writes it. Values of strangers are escaped in both forms, and secrets that were read never
come out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from threading import Lock
from typing import Any

import orjson

from reconciler.daemon.desired import sentence
from reconciler.daemon.notices import short
from reconciler.daemon.notify.courier import Attempt, Result
from reconciler.model.daemon import CycleReport, Trigger, Verdict
from reconciler.model.diagnostics import Diagnostic, Severity
from reconciler.render.escape import escape, quote

_BARE = re.compile(r"[A-Za-z0-9_./:+@%,-]+")
_MOST = 2_000
"""Characters of one value: what a driver says may be long."""


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_LEVELS = {
    Verdict.SYNCED: Level.INFO,
    Verdict.PENDING: Level.INFO,
    Verdict.FAILED: Level.ERROR,
    Verdict.REFUSED: Level.ERROR,
    Verdict.STOPPED: Level.WARNING,
    Verdict.BROKEN: Level.ERROR,
}


class Log:
    """`write` takes a line with its end, `now` gives the time of day in RFC 3339, `redact` takes secrets out of a text.
    Safe to use from several threads."""

    def __init__(
        self,
        write: Callable[[str], object],
        now: Callable[[], str],
        json: bool = False,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._write = write
        self._now = now
        self._form = _as_json if json else _as_text
        self._redact = redact
        self._lock = Lock()

    def info(self, message: str, **fields: Any) -> None:
        self._log(Level.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._log(Level.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._log(Level.ERROR, message, fields)

    def __call__(self, report: CycleReport) -> None:
        """Tells of a cycle: what it came to, and each thing that is wrong."""
        after = report.after
        told = set(map(sentence, report.diagnostics))
        for text in after.errors:
            if text not in told:
                self.error(text, commit=after.desired)
        for diagnostic in report.diagnostics:
            self._diagnostic(diagnostic, after.desired)
        message = f"{after.verdict} {short(after.desired)}" if after.desired else f"{after.verdict}, no commit yet"
        self._log(_LEVELS[after.verdict], message, _facts(report))

    def triggered(self, trigger: Trigger) -> None:
        """Tells why the daemon looks again."""
        level = Level.WARNING if trigger.trouble else Level.INFO
        self._log(level, trigger.trouble or trigger.detail or trigger.why, {"why": trigger.why})

    def attempted(self, attempt: Attempt) -> None:
        """Tells what came of an attempt to deliver a notice."""
        level = Level.INFO if attempt.result is Result.DELIVERED else Level.WARNING
        fields = {"target": attempt.target, "notice": attempt.notice.key, "error": attempt.error}
        self._log(level, f"notice {attempt.result}", fields)

    def take_over(self) -> None:
        """Takes what libraries say by the standard library's logging, from warnings on."""
        logging.basicConfig(handlers=[_Handler(self)], level=logging.WARNING, force=True)

    def _diagnostic(self, diagnostic: Diagnostic, commit: str) -> None:
        where = diagnostic.location or ""
        fields = {"code": diagnostic.code, "where": where, "detail": diagnostic.detail, "commit": commit}
        level = Level.ERROR if diagnostic.severity is Severity.ERROR else Level.WARNING
        self._log(level, diagnostic.summary, fields)

    def _log(self, level: Level, message: str, fields: Mapping[str, Any]) -> None:
        said = {name: self._safe(value) for name, value in fields.items() if value != ""}
        line = self._form(self._now(), level, str(self._safe(message)), said)
        with self._lock:
            self._write(line + "\n")

    def _safe(self, value: object) -> str | int | float:
        if isinstance(value, int | float):
            return value
        text = self._redact(str(value))
        return escape(text if len(text) <= _MOST else f"{text[:_MOST]}…")


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        tell = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        tell(record.getMessage(), library=record.name)


def _facts(report: CycleReport) -> dict[str, Any]:
    after = report.after
    counts = {name: getattr(after, name) for name in ("failed", "drifted", "suspended", "flapping")}
    return {
        "cycle": report.number,
        "seconds": round(report.elapsed, 3),
        "why": ",".join(dict.fromkeys(trigger.why for trigger in report.triggers)),
        "desired": after.desired,
        "applied": after.applied,
        **{f"changes_{action}": count for action, count in report.applied.items() if count},
        "healed": ",".join(report.healed),
        **{name: count for name, count in counts.items() if count},
        "waits": after.waits,
        "trouble": after.trouble,
    }


def _as_json(moment: str, level: Level, message: str, fields: Mapping[str, Any]) -> str:
    return orjson.dumps({"time": moment, "level": level, "message": message, **fields}).decode()


def _as_text(moment: str, level: Level, message: str, fields: Mapping[str, Any]) -> str:
    said = "".join(f" {name}={_value(value)}" for name, value in fields.items())
    return f"{moment} {level:<7} {message}{said}"


def _value(value: str | float) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) else quote(text)
