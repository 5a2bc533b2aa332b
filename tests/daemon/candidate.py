"""A daemon reduced to its election: says when it leads, and writes to the state when it is told to.

    candidate.py URL BACKUPS LEASE SPACE

SPACE, where it is not empty, stands for the machine that it runs on. It reads commands from its input: `write NAME`
records a component, `hold NAME` does so and then waits inside of the lock for another line, `sleep NAME` stops itself
in the middle of the transaction that records it, `resign` resigns, `ask` asks whether it leads. It answers by a line,
and tells every change of its leadership by another: a word, then the machine's clock in seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from store_values import lock, put, record

from reconciler.daemon.leader import Leader
from reconciler.ports import StateError
from reconciler.state import machine
from reconciler.state.postgres import open_election, open_led_store
from reconciler.state.postgres_connection import PostgresConnection
from reconciler.state.store import SqlStore


def say(*words: object) -> None:
    sys.stdout.write(f"{' '.join(map(str, words))} {time.monotonic()}\n")
    sys.stdout.flush()


def main(url: str, backups: str, lease: str, space: str) -> None:
    if space:
        machine.process_space = lambda: space  # type: ignore[assignment]
    election = open_election(url, f"candidate@{space or 'here'}", float(lease))
    store = open_led_store(url, Path(backups), election)
    leader = Leader(election, lambda leads: say("leads" if leads else "follows"))
    leader.start()
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        if command == "resign":
            leader.stop()
        elif command == "ask":
            say("yes" if leader.leads() else "no")
        else:
            write(store, command, name)


def write(store: SqlStore, command: str, name: str) -> None:
    try:
        with store.write(lock(f"{name}-{os.getpid()}"), 5) as writer:
            if command == "hold":
                say("holds")
                sys.stdin.readline()
            if command == "sleep":
                fall_asleep_in_a_transaction()
            writer.settle(put(record(name)))
    except StateError as error:
        say("refused", str(error).replace(" ", "_"))
    else:
        say("wrote")


def fall_asleep_in_a_transaction() -> None:
    execute = PostgresConnection.execute

    def asleep(self: PostgresConnection, name: str, parameters: tuple[object, ...] = ()) -> int:
        count = execute(self, name, parameters)
        if name == "set_meta":
            PostgresConnection.execute = execute  # type: ignore[method-assign]
            say("sleeps")
            os.kill(os.getpid(), signal.SIGSTOP)
        return count

    PostgresConnection.execute = asleep  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    main(*sys.argv[1:])
