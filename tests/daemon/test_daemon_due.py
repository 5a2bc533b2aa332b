"""When the next cycle is: also for what came due while the one before was still at work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.daemon.backoff import Failure, Retry
from reconciler.daemon.due import Due, next_due
from reconciler.daemon.windows import opening
from reconciler.model.daemon import Why

BEGAN, MEANWHILE, ENDED, SOON = (f"2026-11-24T12:00:{second}.000Z" for second in ("00", "10", "20", "30"))


@pytest.mark.parametrize(
    ("retry", "due"),
    [
        (SOON, Due(SOON, Why.RETRY)),
        (MEANWHILE, Due(MEANWHILE, Why.RETRY)),
        (BEGAN, Due("2026-11-24T12:05:20.000Z", Why.INTERVAL)),
    ],
)
def test_the_first_that_nobody_has_acted_on(retry: str, due: Due) -> None:
    retries = {"thing/a": Retry(Failure(1, "mark"), retry)}
    found = SimpleNamespace(flapping={})
    ended = SimpleNamespace(now=ENDED, retries=retries, found=found, suspensions=(), interrupted=False)
    assert next_due(cast("Any", ended), BEGAN, opening((), BEGAN), 300.0) == due
