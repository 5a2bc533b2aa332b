"""Commits every second, drivers that fail, daemons that are killed or stopped: in the end all is as it is wanted."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from soak.desired import Desired
from soak.estate import Daemon, Estate
from state.postgres_server import PostgresServer, postgres_server

__all__ = ["postgres_server"]

SECONDS = 4.0
"""How long the short version lasts."""

SHORT, LONG = (24, 0.4, 0.6), (1_000, 0.15, 0.12)
"""Components, and how likely each second a commit is bad and a daemon is hit."""

LEAST_LIFE = 60
"""A daemon's memory is judged from so many samples on."""

Note = Callable[[str, object], None]


class Trouble:
    """One daemon, or two that share a database, and what happens to them. `seed` makes it the same each time."""

    def __init__(self, estate: Estate, replicas: int, hits: float, seed: str) -> None:
        self.estate = estate
        self._hits = hits
        self.done: Counter[str] = Counter()
        self.ended: list[Daemon] = []
        self._choice = random.Random(seed)
        self._stopped: list[tuple[float, Daemon]] = []
        self.daemons = [estate.daemon() for _ in range(replicas)]

    def second(self) -> None:
        """One commit, other orders for the drivers, and sometimes a signal."""
        self._push()
        self._order()
        self._wake()
        if self._choice.random() < self._hits:
            self._hit()
        for daemon in self.daemons:
            daemon.sample()

    def end(self) -> None:
        """Leaves one commit that is good, drivers that work, and daemons that run."""
        self.estate.order()
        self.estate.push(self.estate.desired.edit(may_be_bad=False))
        self._wake(everybody=True)

    def close(self) -> list[int]:
        codes = [daemon.end() for daemon in self.daemons]
        self.ended += self.daemons
        return codes

    def kill_all(self) -> None:
        for daemon in self.daemons:
            daemon.process.kill()
            daemon.process.wait()

    def _push(self) -> None:
        self.estate.push(self.estate.desired.edit())
        self.done["commits"] += 1

    def _order(self) -> None:
        verbs = ("register", "install", "start", "stop", "update", "uninstall", "remove")
        addresses = self.estate.desired.addresses
        some = self._choice.sample(addresses, len(addresses) // 10)
        self.estate.order(fail=[f"{address} {verb}" for address in some for verb in verbs])

    def _hit(self) -> None:
        place = self._choice.randrange(len(self.daemons))
        daemon = self.daemons[place]
        what = self._choice.choice(["killed", "killed", "ended", *(["stopped"] if len(self.daemons) > 1 else [])])
        if any(daemon is stopped for _, stopped in self._stopped):
            return
        self.done[f"daemons {what}"] += 1
        if what == "stopped":
            daemon.signal(signal.SIGSTOP)
            self._stopped.append((time.monotonic() + self._choice.uniform(1, 8), daemon))
            return
        if what == "killed":
            daemon.signal(signal.SIGKILL)
            daemon.process.wait()
        else:
            assert daemon.end() in {0, 130, -signal.SIGTERM}  # the last where it had only just been started
        self.ended.append(daemon)
        self.daemons[place] = self.estate.daemon()

    def _wake(self, everybody: bool = False) -> None:
        now = time.monotonic()
        for wakes, daemon in self._stopped:
            if everybody or wakes <= now:
                daemon.signal(signal.SIGCONT)
        self._stopped = [each for each in self._stopped if not everybody and each[0] > now]


def soak(estate: Estate, trouble: Trouble, seconds: float, note: Note) -> None:
    estate.begin()
    estate.await_calm(60 + seconds)
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        trouble.second()
        time.sleep(max(began + int(passed) + 1 - time.monotonic(), 0))
    trouble.end()
    note("soak, seconds until all was calm", round(estate.await_calm(60 + seconds / 10), 1))
    for name, count in sorted(trouble.done.items()):
        note(f"soak, {name}", count)
    note("soak, edits", estate.desired.edits)
    note("soak, bad commits", estate.desired.bad)


def check(estate: Estate, note: Note) -> None:
    """Nothing is lost, nothing was done twice, and the log is whole."""
    wanted = estate.desired.wanted
    assert estate.recorded() == wanted
    made = {address: thing for address, thing in wanted.items() if not address.startswith("component/")}
    assert estate.world() == made
    for address, thing in estate.things().items():
        keys = [effect[0] for effect in thing["effects"]]
        assert len(keys) == len(set(keys)), address
    for call in (*estate.calls("again"), *estate.calls("astray")):
        # Remains of what never was there cannot be seen to be gone: clearing them may be asked for twice.
        clears = call["source"] == call["target"] == "absent"
        assert clears or call["address"].startswith("echo/"), f"{call}\n{estate.story(call['address'])}"
    for command in (("state", "verify"), ("events", "verify")):
        done = estate.ureg(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in estate.log.read_text(errors="replace")
    note("soak, components at the end", len(wanted))
    note("soak, effects", sum(len(thing["effects"]) for thing in estate.things().values()))


def judge_memory(daemons: list[Daemon], note: Note) -> None:
    longest = max(daemons, key=lambda daemon: len(daemon.memory))
    note("soak, most memory, MiB", round(max(max(daemon.memory, default=0) for daemon in daemons)))
    note("soak, seconds that the oldest daemon lived", len(longest.memory))
    note("soak, MiB that it grew by in its second half", round(longest.growth(), 1))
    if len(longest.memory) >= LEAST_LIFE:
        assert longest.growth() < 10


@pytest.mark.parametrize(("store", "replicas"), [("sqlite", 1), ("postgresql", 2)])
def test_soak(
    store: str, replicas: int, place: Path, seconds: float, postgres_server: PostgresServer, record_property: Note
) -> None:
    seed = os.environ.get("SOAK_SEED", "1")
    database = postgres_server.new_schema() if store == "postgresql" else ""
    size, bad, hits = LONG if seconds else SHORT
    estate = Estate(place, Desired(size, seed, bad), database)
    trouble = Trouble(estate, replicas, hits, seed)
    try:
        soak(estate, trouble, seconds or SECONDS, record_property)
        codes = trouble.close()
    finally:
        trouble.kill_all()
    assert codes == [0] * replicas
    check(estate, record_property)
    judge_memory(trouble.ended, record_property)
