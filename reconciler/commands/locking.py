"""Who runs a command, for the lock and the journal."""

from __future__ import annotations

import os
import pwd

from reconciler.bootstrap import Registry
from reconciler.model.history import LockInfo, Run
from reconciler.model.resource import Revision
from reconciler.ports import Locking

NOWHERE = Revision("", "", dirty=False)
"""What a run applies that applies no commit."""


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
    info = LockInfo(_id(), operation, who(), os.getpid())
    return Locking(info, timeout)


def new_run(operation: str, revision: Revision) -> Run:
    return Run(_id(), operation, who(), revision.commit, revision.tree)


def wait_for_lock(registry: Registry, timeout: float) -> None:
    """Waits for who holds the lock, so that a plan does not speak of a state that is being changed. Raises Locked."""
    if registry.store.holder() is not None:
        wanted = locking(registry, "plan", lock=True, timeout=timeout)
        with registry.store.write(*wanted):
            pass


def _id() -> str:
    import uuid

    return str(uuid.uuid4())
