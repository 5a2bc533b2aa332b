"""Two real daemons on one database, of which the one that leads is killed, stopped or cut off while it works."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon.networks import Network
from soak.desired import Desired
from soak.estate import Daemon, Estate
from soak.test_soak import check
from state.postgres_server import PostgresServer, postgres_server

__all__ = ["postgres_server"]

LEASE = 2.0
SPARE = 1.0
WORK = 8.0
"""Seconds in which a daemon that leads settles what was left open and applies, on a busy machine: well below those for
which a lock outlives its holder."""

Note = Callable[[str, object], None]


class Pair:
    """A daemon that leads, which reaches the database through `network`, and one that stands by."""

    def __init__(self, folder: Path, server: PostgresServer, network: Network) -> None:
        self._server = server
        url = server.new_schema()
        self._schema = re.sub(r".*schema=", "", url)
        self.network = network
        self.estate = Estate(folder, Desired(8, "1", 0), url)
        self.leader = self.estate.daemon(network.url(url))
        self.await_leader(self.leader)
        self.other = self.estate.daemon()
        self.estate.begin()
        self.estate.await_calm(60)

    def await_leader(self, daemon: Daemon) -> float:
        """The moment at which it leads."""
        deadline = time.monotonic() + 20
        while self._leading() != daemon.process.pid:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return time.monotonic()

    def begin_work(self) -> str:
        """Changes the text of a thing whose driver then hangs; returns the call."""
        address = next(address for address in self.estate.desired.addresses if address.startswith("thing/"))
        call = f"{address} update"
        self.estate.order(hang=[call])
        self.estate.push(self.estate.desired.rewrite(address))
        deadline = time.monotonic() + 20
        while not any(each["address"] == address and each["verb"] == "update" for each in self.estate.calls("call")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return call

    def swap(self) -> None:
        self.leader, self.other = self.other, self.leader

    def close(self) -> None:
        for daemon in (self.leader, self.other):
            daemon.process.kill()
            daemon.process.wait()

    def _leading(self) -> int:
        try:
            rows = self._server.execute(f'SELECT pid FROM "{self._schema}".leader WHERE expires > now()')
        except Exception:  # noqa: BLE001 - there is no such table yet
            return 0
        return int(str(rows[0][0])) if rows else 0


@pytest.fixture
def pair(place: Path, postgres_server: PostgresServer) -> Iterator[Pair]:
    with Network(postgres_server) as network:
        made = Pair(place, postgres_server, network)
        yield made
        made.close()


def test_whatever_happens_to_the_leader_the_other_goes_on(pair: Pair, record_property: Note) -> None:
    cut_off(pair)
    pair.swap()
    stop(pair)
    pair.swap()
    kill(pair)
    assert pair.other.end() == 0
    check(pair.estate, record_property)


def cut_off(pair: Pair) -> None:
    """What comes from then on, only the other one does, also after the network was mended."""
    known = len(pair.estate.calls("call"))
    cut = time.monotonic()
    pair.network.cut()
    pair.estate.push(pair.estate.desired.edit(may_be_bad=False))
    assert pair.await_leader(pair.other) - cut <= LEASE + SPARE
    pair.estate.await_calm(20)
    pair.network.mend()
    pair.estate.push(pair.estate.desired.edit(may_be_bad=False))
    pair.estate.await_calm(20)
    assert {int(call["pid"]) for call in pair.estate.calls("call")[known:]} == {pair.other.process.pid}


def stop(pair: Pair) -> None:
    """It wakes up in the middle of what the other one has done meanwhile, and leaves it alone."""
    call = pair.begin_work()
    time.sleep(0.3)
    stopped = time.monotonic()
    pair.leader.signal(signal.SIGSTOP)
    assert pair.await_leader(pair.other) - stopped <= LEASE + SPARE
    pair.estate.order()
    pair.estate.await_calm(20)
    pair.estate.order(fail=[call])  # what its driver is doing cannot be recalled, only what comes after
    pair.leader.signal(signal.SIGCONT)
    time.sleep(1)
    pair.estate.order()


def kill(pair: Pair) -> None:
    pair.begin_work()
    killed = time.monotonic()
    pair.leader.signal(signal.SIGKILL)
    pair.leader.process.wait()
    pair.estate.order()
    assert pair.await_leader(pair.other) - killed <= SPARE
    pair.estate.await_calm(WORK)
