"""Who holds the lock of a state, for people and as data."""

from __future__ import annotations

from typing import Any

from reconciler.model.history import Lock
from reconciler.render.escape import escape
from reconciler.render.json_text import dump
from reconciler.render.style import Style

FORMAT_VERSION = 1

FREE = "Nobody holds the lock.\n"


def render_lock(lock: Lock | None, style: Style) -> str:
    """Every fact of the lock, or a sentence where it is free."""
    if lock is None:
        return FREE
    facts = {
        "id": lock.info.id,
        "operation": lock.info.operation,
        "host": host(lock),
        "process": str(lock.info.pid),
        "since": lock.created,
        "until": f"{lock.expires}, unless its holder renews it",
        "term": str(lock.term),
    }
    lines = [style.bold(f"{escape(lock.info.who)} holds the lock.")]
    lines += [f"  {name + ':':<11}{escape(value)}" for name, value in facts.items()]
    return "\n".join((*lines, ""))


def render_lock_json(lock: Lock | None) -> str:
    """The document that `lock show -json` prints: `lock` is null where it is free."""
    return dump({"version": FORMAT_VERSION, "lock": _facts(lock) if lock else None}, indent=True).decode()


def sentence(lock: Lock) -> str:
    """Who holds the lock and for what, in one sentence."""
    info = lock.info
    return f"{info.who} (process {info.pid}) holds it for `{info.operation}` since {lock.created}."


def host(lock: Lock) -> str:
    """The machine that the holder runs on, from its `user@host`."""
    return lock.info.who.rpartition("@")[2]


def _facts(lock: Lock) -> dict[str, Any]:
    return {
        "id": lock.info.id,
        "operation": lock.info.operation,
        "who": lock.info.who,
        "host": host(lock),
        "pid": lock.info.pid,
        "since": lock.created,
        "until": lock.expires,
        "term": lock.term,
    }
