"""Runs and events as data: the documents that `runs`, `history` and `events` print under `-json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.address import Address
from reconciler.model.history import PastEvent, PastRun
from reconciler.render.json_text import dump

FORMAT_VERSION = 1


def render_runs_json(runs: Iterable[PastRun]) -> str:
    return _document(runs=[_run(past) for past in runs])


def render_run_json(past: PastRun, events: Iterable[PastEvent]) -> str:
    return _document(run=_run(past), events=[event._asdict() for event in events])


def render_events_json(events: Iterable[PastEvent]) -> str:
    return _document(events=[event._asdict() for event in events])


def render_history_json(address: Address, events: Iterable[PastEvent], runs: Mapping[str, PastRun]) -> str:
    """One component's events, each with who caused it and from which commit ("" where no run did)."""
    return _document(address=address, events=[_with_run(event, runs.get(event.run)) for event in events])


def _document(**content: Any) -> str:
    return dump({"version": FORMAT_VERSION, **content}, indent=True).decode()


def _run(past: PastRun) -> dict[str, Any]:
    return {**past.run._asdict(), "started": past.started, "finished": past.finished, "outcome": past.outcome}


def _with_run(event: PastEvent, past: PastRun | None) -> dict[str, Any]:
    who, commit = (past.run.who, past.run.commit) if past else ("", "")
    return {**event._asdict(), "who": who, "commit": commit}
