"""Gives the work of agents that died or were paused to whoever is there: the queue never does that by itself."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procrastinate import App

_LONGEST_PAUSE = 60


async def retry_stalled(app: App, queue: str, lease: float) -> None:
    """Puts the jobs of `queue` back whose agent gave no sign of life for `lease` seconds: at once the first time, then
    ever later. `app` is open."""
    from procrastinate.exceptions import ConnectorException

    for job in await app.job_manager.get_stalled_jobs(queue=queue, seconds_since_heartbeat=lease):
        pause = min(2**job.attempts - 1, _LONGEST_PAUSE)
        # Someone else may have put it back meanwhile.
        with suppress(ConnectorException):
            await app.job_manager.retry_job(job, retry_at=datetime.now(UTC) + timedelta(seconds=pause))
