"""Records, intents and locks to try a store with. Imports little, since child processes use it too."""

from __future__ import annotations

import os

from reconciler.model.history import Intent, LockInfo, Run
from reconciler.model.record import Record, Status
from reconciler.ports import Write

RUN = Run("run-1", "apply", "ada@laptop", "c" * 40, "t" * 40)


def record(name: str, **changes: object) -> Record:
    plain = Record(
        f"service/{name}",
        "Service",
        "running",
        Status.OK,
        "f" * 32,
        b'{"kind":"Service"}',
        b'["engine/duckdb"]',
        f"registry.d/{name}.yaml:1",
        "c" * 40,
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


def put(*records: Record) -> list[Write]:
    return [Write(each.address, each, "start", each.error) for each in records]


def lock(name: str = "one") -> LockInfo:
    return LockInfo(name, "apply", f"ada@{os.uname().nodename}", os.getpid())


def intent(name: str, **changes: object) -> Intent:
    plain = Intent(f"key-{name}", f"service/{name}", "start", "absent", "running", 1, None, record(name))
    return plain._replace(**changes)  # type: ignore[arg-type]
