"""Which serial of the state a user means by a commit, a time or a number."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from reconciler.bootstrap import Registry, resolve_commit
from reconciler.engine.rollback import commit_by
from reconciler.model.diagnostics import Diagnostic, Invalid

_SERIAL = re.compile(r"[0-9]{1,18}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?", re.ASCII)


def serial_at(registry: Registry, text: str, newest: int) -> int:
    """The serial that `text` means: a number, the last one of a day or a time, or the last one that a commit led to.

    `newest` is the serial that the state has now; digits above it may begin a commit's id. Raises Invalid where the
    state never had such a serial.
    """
    if _SERIAL.fullmatch(text) and int(text) <= newest:
        return int(text)
    moment = _time(text)
    commit = text if _COMMIT.fullmatch(text) else ""  # git may have it no more
    found = registry.store.serial_at(moment or commit or _commit(registry, text, newest))
    if found is None:
        summary = "Nothing was recorded by then" if moment else f"No apply of the commit {text!r} changed the state"
        raise Invalid(_never(summary, "`ureg runs list` tells when what was applied."))
    return found


def commit_at(registry: Registry, text: str) -> str:
    """The full id of the commit that `text` means: a commit, a branch, a tag, or a serial, which stands for the commit
    that had been applied by then. Raises Invalid."""
    if not _SERIAL.fullmatch(text):
        return resolve_commit(registry, text)
    newest = registry.store.load().serial
    return commit_by(registry.store, int(text)) if int(text) <= newest else _commit(registry, text, newest)


def _time(text: str) -> str:
    """`text` as the state writes times; "" where it is none. A day means its end, by UTC."""
    if not _TIME.fullmatch(text):
        return ""
    try:
        moment = datetime.fromisoformat(text if "T" in text else f"{text}T23:59:59.999Z")
        if moment.tzinfo is None:
            raise Invalid(Diagnostic("time-zone", f"{text} is a time without a zone", hint=f"Write {text}Z for UTC."))
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        hint = "Write it as 2026-11-24T10:00:00Z, or the day alone."
        raise Invalid(Diagnostic("time-invalid", f"{text!r} is not a time", hint=hint)) from None


def _commit(registry: Registry, text: str, newest: int) -> str:
    """The full id of the commit that `text` names, which digits above the serial `newest` may do."""
    try:
        return resolve_commit(registry, text)
    except Invalid:
        if not _SERIAL.fullmatch(text):
            raise
    raise Invalid(_never(f"The state never had the serial {text}", f"It has the serial {newest} now."))


def _never(summary: str, hint: str) -> Diagnostic:
    return Diagnostic("moment-unknown", summary, hint=hint)
