"""Who runs a command, for the lock and the journal."""

from __future__ import annotations

import os
import pwd
import time
import uuid

from reconciler.bootstrap import Registry
from reconciler.model.resource import Revision
from reconciler.ports import Locked, LockInfo, Locking, Run

POLL = 0.1
"""Seconds between two looks at a lock that somebody else holds."""


def who() -> str:
    """`user@host` of this process."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def locking(registry: Registry, operation: str, lock: bool, timeout: float) -> Locking:
    if not lock:
        return Locking(None, 0.0)
    info = LockInfo(str(uuid.uuid4()), operation, who(), os.getpid(), registry.clock.now())
    return Locking(info, timeout)


def new_run(operation: str, revision: Revision) -> Run:
    return Run(str(uuid.uuid4()), operation, who(), revision.commit, revision.tree)


def wait_for_lock(registry: Registry, timeout: float) -> None:
    """Waits until nobody holds the lock, so that a plan does not speak of a state that is being changed. Raises
    Locked."""
    deadline = registry.clock.monotonic() + timeout
    while holder := registry.store.holder():
        if registry.clock.monotonic() >= deadline:
            raise Locked(holder)
        time.sleep(POLL)
